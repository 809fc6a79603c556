// SPDX-License-Identifier: GPL-2.0-or-later
/* Takes page faults as fast as it can, and gives all pages back, until SIGTERM. */
#include <err.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

#define BYTES (16 << 20)

static volatile sig_atomic_t over;

static void on_term(int sig __attribute__((unused)))
{
	over = 1;
}

__attribute__((noinline)) static void touch(volatile char *at)
{
	for (size_t i = 0; i < BYTES; i += 4096)
		at[i] = 1;
}

int main(void)
{
	signal(SIGTERM, on_term);
	while (!over) {
		char *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED)
			err(1, "mmap");
		madvise(at, BYTES, MADV_NOHUGEPAGE);
		touch(at);
		munmap(at, BYTES);
	}
	return 0;
}
