/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_name.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* of libstdc++; there is no header for C */
extern char *__cxa_demangle(const char *mangled, char *out, size_t *len, int *status);

/*
 * A mangled name refers back to its own parts (S_, S0_, T_), so that 300 bytes can expand to
 * gigabytes. Of 135,000 names in node, libLLVM and libclang none has more than 40 references;
 * all names of a file together expand to a few megabytes.
 */
#define MAX_REFERENCES 48
#define MAX_SPENT (256u << 20)

struct demangler *demangler__new(void)
{
	return calloc(1, sizeof(struct demangler));
}

void demangler__free(struct demangler *d)
{
	if (!d)
		return;
	free(d->out);
	free(d);
}

static unsigned int count_references(const char *s)
{
	unsigned int n = 0;
	const char *p;

	for (; *s; s++) {
		if (*s != 'S' && *s != 'T')
			continue;
		for (p = s + 1; isdigit((unsigned char)*p) || isupper((unsigned char)*p); p++)
			;
		n += *p == '_';
	}
	return n;
}

char *demangler__run(struct demangler *d, const char *mangled, size_t len)
{
	int status = 0;
	char *out;

	while (len > 2 && mangled[0] == '_' && mangled[1] == '_') { /* ___Z: clang's blocks */
		mangled++;
		len--;
	}
	if (len < 3 || len >= sizeof(d->in) || mangled[0] != '_' || mangled[1] != 'Z')
		return NULL;
	memcpy(d->in, mangled, len);
	d->in[len] = '\0';
	if (d->spent > MAX_SPENT || count_references(d->in) > MAX_REFERENCES)
		return NULL;
	out = __cxa_demangle(d->in, d->out, &d->out_len, &status);
	if (!out)
		return NULL;
	d->out = out;
	d->spent += strlen(out);
	return out;
}

size_t name_len(const char *symbol)
{
	const char *at = *symbol ? strchr(symbol + 1, '@') : NULL;

	return at ? (size_t)(at - symbol) : strlen(symbol);
}

static bool is_copy_suffix(const char *s, size_t len)
{
	static const char *const words[] = { "lto_priv", "constprop", "isra", "localalias", "llvm",
		"__uniq" };
	size_t i;

	for (i = 0; i < len && isdigit((unsigned char)s[i]); i++)
		;
	if (i == len)
		return len > 0;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (len == strlen(words[i]) && !memcmp(s, words[i], len))
			return true;
	return false;
}

size_t name_base_len(const char *name, size_t len)
{
	const char *dot;
	size_t base = len;

	/* Whole groups only: a Go function may be called "pkg.7". */
	while ((dot = memrchr(name, '.', len)) && dot > name &&
		is_copy_suffix(dot + 1, name + len - dot - 1)) {
		len = dot - name;
		if (!isdigit((unsigned char)dot[1]))
			base = len;
	}
	return base;
}

static bool has_component(const char *name, size_t len, const char *word)
{
	const char *p = name, *end = name + len;
	size_t n = strlen(word);

	while ((p = memmem(p, end - p, word, n))) {
		p += n;
		if (p == end || *p == '.' || *p == '@')
			return true;
	}
	return false;
}

bool name_is_piece(const char *name, size_t len)
{
	return has_component(name, len, ".cold") || has_component(name, len, ".part");
}

bool name_is_cold(const char *name)
{
	return has_component(name, strlen(name), ".cold");
}

bool name_is_special(const char *mangled)
{
	return mangled[0] == '_' && mangled[1] == 'Z' && (mangled[2] == 'T' || mangled[2] == 'G');
}

/* Skips "( ... )" or "{ ... }" from its opening character; NULL: it does not end. */
static char *skip_group(char *p, char open, char close)
{
	int depth = 0;

	for (; *p; p++) {
		depth += *p == open;
		depth -= *p == close;
		if (!depth)
			return p + 1;
	}
	return NULL;
}

static bool word_at(const char *s, const char *p, const char *word)
{
	size_t n = strlen(word);

	return !strncmp(p, word, n) && !isalnum((unsigned char)p[n]) && p[n] != '_' &&
	       (p == s || (!isalnum((unsigned char)p[-1]) && p[-1] != '_'));
}

/* Where the name begins behind a return type, which only templates have: after the last blank
 * that lies in no bracket and not behind the word "operator". */
static char *skip_return_type(char *s)
{
	char *name = s, *p = s;
	int angle = 0;

	while (p && *p) {
		if (*p == '(') {
			p = skip_group(p, '(', ')');
			continue;
		}
		if (*p == '{') {
			p = skip_group(p, '{', '}');
			continue;
		}
		if (!angle && word_at(s, p, "operator"))
			break;
		angle += *p == '<';
		angle -= *p == '>' && angle > 0;
		if (*p == ' ' && !angle && p[1])
			name = p + 1;
		p++;
	}
	return name;
}

char name_bare(char *demangled, bool special, char **start, char **end)
{
	size_t len = strlen(demangled), i;
	int depth = 0;
	char was;

	*start = demangled;
	*end = demangled + len;
	/* "f(int) const &": qualifiers have no brackets. The list is the last pair of parentheses,
	 * found from its end, so that "operator()" and "(anonymous namespace)" stay whole. */
	for (i = len; i && strchr("abcdefghijklmnopqrstuvwxyz &", demangled[i - 1]); i--)
		;
	if (i && demangled[i - 1] == ')') {
		for (; i; i--) {
			depth += demangled[i - 1] == ')';
			depth -= demangled[i - 1] == '(';
			if (!depth)
				break;
		}
		if (i > 1)
			*end = demangled + i - 1;
	}
	was = **end;
	**end = '\0';
	if (!special)
		*start = skip_return_type(demangled);
	return was;
}

/* Words that a demangler writes without having read them. */
static const char invented[] =
	"std string basic_string wstring allocator basic_iostream basic_istream basic_ostream "
	"iostream istream ostream char_traits operator new delete co_await anonymous namespace "
	"lambda unnamed type clone abi virtual thunk covariant return guard variable reference "
	"temporary construction vtable typeinfo name init function wrapper hidden alias transaction "
	"safe template parameter object initializer global constructors destructors keyed signed "
	"unsigned short long int wchar_t float double bool true false char8_t char16_t char32_t "
	"__int128 __float128 decltype auto nullptr_t nullptr decimal32 decimal64 decimal128 half "
	"_Float16 _Float32 _Float64 _Float128 bfloat16_t void const volatile restrict noexcept throw "
	"this parm sizeof alignof typeid dynamic_cast static_cast reinterpret_cast const_cast "
	"_Complex _Imaginary complex imaginary ull java resource default arg string literal "
	"__vector vector attribute ";

/* The longest identifier of a pattern that must stand in the mangled name letter by letter:
 * 30,000 names are searched for it much faster than they are demangled. */
static void find_needle(struct name_pattern *p)
{
	const char *s = p->text, *run, *close;
	size_t len;

	while (*s) {
		if (*s == '[' && (close = strchr(s + 1, ']'))) {
			s = close + 1;
			continue;
		}
		if (*s == '\\' && s[1]) {
			s += 2;
			continue;
		}
		if (!isalpha((unsigned char)*s) && *s != '_') {
			/* "7f" is no identifier: step over digits with what follows */
			for (len = 1; isdigit((unsigned char)*s) && (isalnum((unsigned char)s[len]) ||
							s[len] == '_'); len++)
				;
			s += len;
			continue;
		}
		for (run = s; isalnum((unsigned char)*s) || *s == '_'; s++)
			;
		len = s - run;
		if (len > 2 && len > p->needle_len &&
			!memmem(invented, sizeof(invented) - 1, run, len)) {
			p->needle = run;
			p->needle_len = len;
		}
	}
}

void name_pattern__init(struct name_pattern *p, const char *text)
{
	*p = (struct name_pattern){
		.text = text,
		.len = strlen(text),
		.plain = !strpbrk(text, "*?[\\"),
		.pieces = strstr(text, ".cold") || strstr(text, ".part"),
	};
	find_needle(p);
}

static bool text_matches(const struct name_pattern *p, const char *name)
{
	/* "operator[]" is a name before it is a pattern. */
	return !strcmp(p->text, name) || (!p->plain && !fnmatch(p->text, name, 0));
}

bool name_pattern__matches_plain(const struct name_pattern *p, const char *symbol)
{
	size_t len;

	if (strncmp(symbol, p->text, p->len))
		return false;
	len = name_len(symbol);
	if (len < p->len || (name_is_piece(symbol, len) && !p->pieces))
		return false;
	return len == p->len || name_base_len(symbol, len) == p->len;
}

bool name_pattern__matches(const struct name_pattern *p, struct demangler *d, const char *symbol)
{
	size_t len = name_len(symbol), base;
	char *out, *start, *end, was;
	bool hit;

	if (len >= sizeof(d->in) || (name_is_piece(symbol, len) && !p->pieces))
		return false;
	if (name_pattern__matches_plain(p, symbol))
		return true;
	base = name_base_len(symbol, len);
	if (!p->plain) {
		memcpy(d->in, symbol, len);
		d->in[len] = '\0';
		if (text_matches(p, d->in))
			return true;
		d->in[base] = '\0';
		if (text_matches(p, d->in))
			return true;
	}
	if (p->needle && !memmem(symbol, len, p->needle, p->needle_len))
		return false;
	out = demangler__run(d, symbol, base);
	if (!out)
		return false;
	if (text_matches(p, out))
		return true;
	was = name_bare(out, name_is_special(symbol), &start, &end);
	hit = text_matches(p, start);
	*end = was;
	return hit;
}

unsigned int name_distance(const char *a, const char *b, unsigned int limit)
{
	size_t n = strlen(a), m = strlen(b), i, j;
	unsigned int row[256], diagonal, above, best;

	if (n > 255 || m > 255 || (n > m ? n - m : m - n) > limit)
		return limit + 1;
	for (j = 0; j <= m; j++)
		row[j] = j;
	for (i = 1; i <= n; i++) {
		diagonal = row[0];
		best = row[0] = i;
		for (j = 1; j <= m; j++) {
			above = row[j];
			row[j] = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			if (row[j] < best)
				best = row[j];
			diagonal = above;
		}
		if (best > limit)
			return limit + 1;
	}
	return row[m] > limit ? limit + 1 : row[m];
}
