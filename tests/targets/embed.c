/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program that becomes a Python when it opens a library: embed LIBPYTHON ARGS... */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *lib = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
	int (*py_main)(int, char **) = lib ? (int (*)(int, char **))dlsym(lib, "Py_BytesMain") : NULL;

	if (!py_main) {
		fprintf(stderr, "%s\n", argc > 1 ? dlerror() : "usage: embed LIBPYTHON ARGS...");
		return 2;
	}
	return py_main(argc - 1, argv + 1);
}
