/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What births executes. usage: leaf TRUTH run end | leaf TRUTH run chain LEFT BIRTHS */
#include "unharmed.h"

PROBED int p_leaf(int n)
{
	grow(3);
	return n + 30;
}

PROBED void p_leaf_execs(char **argv)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", atoi(argv[4]) - 1);
	grow(1);
	tell("p_leaf_execs", "return", "e");
	execl(argv[5], argv[5], argv[1], "run", "chain", number, NULL);
}

int main(int argc, char **argv)
{
	int v;

	unharmed_begin(argc, argv);
	tell("p_leaf", "entry", "-");
	v = p_leaf(argc);
	tell("p_leaf", "return", "-");
	if (argc > 5 && atoi(argv[4]) > 0) {
		tell("p_leaf_execs", "entry", "-");
		p_leaf_execs(argv);
	}
	return unharmed_end(v);
}
