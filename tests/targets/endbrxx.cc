// SPDX-License-Identifier: GPL-2.0-or-later
// The same in C++.
#include "endbr.c"
