// SPDX-License-Identifier: GPL-2.0-or-later
// C++ exceptions through probed functions: caught, rethrown, in loops, from deep down, with
// destructors that grow on the way, and one that nobody catches.
#include <stdexcept>
#include <string>

#include "unharmed.h"

struct failure : std::runtime_error {
	int n;
	failure(int n) : std::runtime_error("failure"), n(n) {}
};

PROBED int p_may_throw(int n)
{
	grow(1);
	if (n % 3)
		throw failure(n);
	grow(1);
	return n;
}

PROBED int p_passes_on(int n)
{
	int v;

	grow(1);
	tell("p_may_throw", "entry", "-");
	v = p_may_throw(n);
	tell("p_may_throw", "return", "-");
	return v + 1;
}

// Catches what comes from below, and throws it again from the handler.
PROBED int p_rethrows(int n)
{
	try {
		tell("p_passes_on", "entry", "-");
		n = p_passes_on(n);
		tell("p_passes_on", "return", "-");
		return n;
	} catch (failure &f) {
		tell("p_may_throw", "return", "x");
		tell("p_passes_on", "return", "x");
		grow(2);
		f.n += 1000;
		throw;
	}
}

struct grower {
	const char *name;
	grower(const char *name) : name(name) {}
	~grower()
	{
		tell(name, "return", "x");
		grow(3);
	}
};

PROBED void p_bottom(int n)
{
	grow(1);
	if (n >= 0)
		throw failure(n);
}

// Its destructor runs while the exception is on its way, after p_bottom and before itself is left.
PROBED void p_destroys(int n)
{
	grower g("p_bottom");

	tell("p_bottom", "entry", "-");
	p_bottom(n);
}

PROBED int p_deep(int left)
{
	int v;

	if (!left)
		throw failure(7);
	tell("p_deep", "entry", "-");
	v = p_deep(left - 1);
	asm volatile("" : "+r"(v)); // no loop instead
	return v + left;
}

PROBED void p_noexcept(int n) noexcept
{
	p_bottom(n);
}

static void catch_all()
{
	long caught = 0, sum = 0;

	for (int i = 0; i < 60; i++) {
		tell("p_rethrows", "entry", "-");
		try {
			sum += p_rethrows(i);
			tell("p_rethrows", "return", "-");
		} catch (std::runtime_error &e) {
			tell("p_rethrows", "return", "x");
			caught++;
			sum += static_cast<failure &>(e).n;
			if (i % 2)
				grow(1);
		}
	}
	printf("caught %ld sum %ld\n", caught, sum);
}

static void destroy_and_dive()
{
	int n = 0;

	for (int i = 0; i < 10; i++) {
		tell("p_destroys", "entry", "-");
		try {
			p_destroys(i);
		} catch (failure &f) {
			tell("p_destroys", "return", "x");
			n += f.n;
		}
	}
	for (int i = 0; i < 5; i++) {
		tell("p_deep", "entry", "-");
		try {
			n += p_deep(100);
		} catch (failure &f) {
			for (int k = 0; k < 101; k++)
				tell("p_deep", "return", "x");
			n += f.n;
		}
	}
	printf("destroyed and dived %d\n", n);
}

// The same without telling, so that nothing follows a throw but the next call.
static void in_a_tight_loop()
{
	int n = 0;

	for (int i = 0; i < 2000; i++) {
		try {
			p_bottom(i);
		} catch (failure &f) {
			n += f.n & 1;
		}
	}
	printf("tight %d\n", n);
}

__attribute__((noipa)) static void warm_up()
{
	try {
		throw failure(1);
	} catch (std::exception &e) {
		printf("%s\n", e.what());
	}
}

int main(int argc, char **argv)
{
	std::string how = argc > 3 ? argv[3] : "all";

	warm_up();
	unharmed_begin(argc, argv);
	if (how == "loop") {
		in_a_tight_loop();
	} else if (how == "terminate") {
		tell("p_noexcept", "entry", "-");
		tell("p_bottom", "entry", "-");
		tell("p_bottom", "return", "e?");
		tell("p_noexcept", "return", "e?");
		p_noexcept(1);
	} else {
		catch_all();
		destroy_and_dive();
	}
	return unharmed_end(5);
}
