/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For each byte on stdin calls `hit` N times, with a pause of SPIN turns of a loop in between, and
 * prints the nanoseconds of one call. usage: hit N [SPIN] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* begins with a push, which the kernel emulates */
__attribute__((noinline, noipa)) long hit(long x)
{
	asm volatile("push %%rbx\n\tpop %%rbx" ::: "memory");
	return x + 1;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 1000, spin = argc > 2 ? atol(argv[2]) : 0, sum = 0;
	char byte;

	printf("0\n");
	fflush(stdout);
	while (read(0, &byte, 1) == 1) {
		double t = now();

		for (long i = 0; i < n; i++) {
			sum = hit(sum);
			for (long k = 0; k < spin; k++)
				asm volatile("" ::: "memory");
		}
		printf("%.2f\n", (now() - t) / n);
		fflush(stdout);
	}
	return sum == 42;
}
