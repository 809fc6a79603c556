/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and lines of places in files. */
#ifndef SYMBOLIZE_H
#define SYMBOLIZE_H

#include <stddef.h>

struct names;
struct place;

/*
 * Fills the symbols of places whose modules are open. Symbol tables and debug information of a
 * large program take hundreds of megabytes, and those of a hostile one can do anything to who reads
 * them. So a process is forked for it, which answers and ends; if it ends before, or does not
 * answer, the file that it was at is left without lines, or in the end without names.
 */
void symbolize(struct place **places, size_t n, struct names *names);

#endif
