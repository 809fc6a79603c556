/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads a library after tracing began, calls it for a while, unloads it, and once again.
 * usage: loads TRUTH run|wait LIBRARY
 * It prints nothing that depends on time; to stderr, when each dlopen was done (CLOCK_MONOTONIC).
 */
#include <dlfcn.h>
#include <time.h>

#include "unharmed.h"

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static int use(const char *path, const char *truth, int calls)
{
	void *lib = dlopen(path, RTLD_NOW);
	int (*begin)(const char *, const char *), (*call)(int);
	struct timespec ts;
	int sum = 0;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (!lib) {
		puts(dlerror());
		_exit(97);
	}
	begin = (int (*)(const char *, const char *))dlsym(lib, "plugin_begin");
	call = (int (*)(int))dlsym(lib, "plugin_call");
	fprintf(stderr, "loaded %lld\n", ts.tv_sec * 1000000000LL + ts.tv_nsec);
	begin(truth, "run");
	for (int i = 0; i < calls; i++) {
		sum += call(i);
		nap();
	}
	dlclose(lib);
	return sum;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 98;
	unharmed_begin(argc, argv);
	printf("sum %d\n", use(argv[3], argv[1], 600));
	printf("sum %d\n", use(argv[3], argv[1], 50));
	return unharmed_end(10);
}
