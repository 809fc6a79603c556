/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that comes deep down in a stack. usage: deep FRAMES BYTES PAGES: so many calls of one function,
 * each with so much on the stack, and so many pages brought by the last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL

static volatile char *memory;
static size_t pages, bytes;

__attribute__((noinline)) static void bring(void)
{
	for (size_t i = 0; i < pages; i++)
		memory[i * PAGE] = 1;
}

/* What it does after the call keeps the frame. */
__attribute__((noinline)) static size_t down(size_t frames)
{
	volatile char *room = __builtin_alloca(bytes);
	size_t below;

	room[0] = 1;
	if (!frames) {
		bring();
		return 0;
	}
	below = down(frames - 1);
	return below + (size_t)room[0];
}

int main(int argc, char **argv)
{
	size_t frames = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;

	bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 16;
	pages = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	madvise((void *)memory, pages * PAGE, MADV_NOHUGEPAGE);
	printf("%zu\n", down(frames));
	usleep(500000); /* while its stacks are looked at it has to be there */
	return 0;
}
