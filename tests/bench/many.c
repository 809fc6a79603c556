/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thousand functions, f0 to f999. */
#define F(n)                                                                                       \
	__attribute__((noinline)) void f##n(void)                                                  \
	{                                                                                          \
		asm volatile("push %%rbx\n\tpop %%rbx" ::: "memory");                              \
	}
#define F10(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
#define F100(n)                                                                                    \
	F10(n##0) F10(n##1) F10(n##2) F10(n##3) F10(n##4) F10(n##5) F10(n##6) F10(n##7) F10(n##8)  \
	F10(n##9)

F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9)
F10(1) F10(2) F10(3) F10(4) F10(5) F10(6) F10(7) F10(8) F10(9)
F100(1) F100(2) F100(3) F100(4) F100(5) F100(6) F100(7) F100(8) F100(9)

int main(void)
{
	f0();
	return 0;
}
