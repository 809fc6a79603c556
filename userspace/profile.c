/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embed.h"
#include "lang.h"
#include "pattern.h"
#include "role_yaml.h"

#define SUFFIX ".yaml"

enum { MAX_FILE = 64 << 20, MAX_SHIPPED = 32, MAX_NAME = 64 };

/* One alternative: all that is given must match. */
struct match_yaml {
	char *exe, *cmdline, *file;
};

struct checkpoint_yaml {
	char *function, *usdt, *address, *python;
	char *label, *label_zh;
	char *entry, *entry_zh, *leave, *leave_zh;
	char *inside, *caller, *nth;
	enum role_answer outermost, sign, extra;
};

struct profile_yaml {
	char *name, *description, *off;
	struct match_yaml *match;
	unsigned int n_match;
	struct role_rule_yaml *roles;
	unsigned int n_roles;
	struct checkpoint_yaml *checkpoints;
	unsigned int n_checkpoints;
};

#define OPTIONAL_TEXT(key, type, member)                                                           \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 1,     \
			       CYAML_UNLIMITED)

static const cyaml_schema_field_t match_fields[] = {
	OPTIONAL_TEXT("exe", struct match_yaml, exe),
	OPTIONAL_TEXT("cmdline", struct match_yaml, cmdline),
	OPTIONAL_TEXT("file", struct match_yaml, file),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t match_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct match_yaml, match_fields),
};

#define OPTIONAL_ANSWER(key, type, member)                                                         \
	CYAML_FIELD_ENUM(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, type, member, role_answers, 2)

static const cyaml_schema_field_t checkpoint_fields[] = {
	OPTIONAL_TEXT("function", struct checkpoint_yaml, function),
	OPTIONAL_TEXT("usdt", struct checkpoint_yaml, usdt),
	OPTIONAL_TEXT("address", struct checkpoint_yaml, address),
	OPTIONAL_TEXT("python", struct checkpoint_yaml, python),
	OPTIONAL_TEXT("label", struct checkpoint_yaml, label),
	OPTIONAL_TEXT("label_zh", struct checkpoint_yaml, label_zh),
	OPTIONAL_TEXT("entry", struct checkpoint_yaml, entry),
	OPTIONAL_TEXT("entry_zh", struct checkpoint_yaml, entry_zh),
	OPTIONAL_TEXT("return", struct checkpoint_yaml, leave),
	OPTIONAL_TEXT("return_zh", struct checkpoint_yaml, leave_zh),
	OPTIONAL_TEXT("inside", struct checkpoint_yaml, inside),
	OPTIONAL_TEXT("caller", struct checkpoint_yaml, caller),
	OPTIONAL_TEXT("nth", struct checkpoint_yaml, nth),
	OPTIONAL_ANSWER("outermost", struct checkpoint_yaml, outermost),
	OPTIONAL_ANSWER("sign", struct checkpoint_yaml, sign),
	OPTIONAL_ANSWER("extra", struct checkpoint_yaml, extra),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t checkpoint_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct checkpoint_yaml, checkpoint_fields),
};

static const cyaml_schema_field_t profile_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct profile_yaml, name, 1, MAX_NAME),
	OPTIONAL_TEXT("description", struct profile_yaml, description),
	OPTIONAL_TEXT("off", struct profile_yaml, off),
	CYAML_FIELD_SEQUENCE_COUNT("match", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
				   struct profile_yaml, match, n_match, &match_schema, 0,
				   CYAML_UNLIMITED),
	CYAML_FIELD_SEQUENCE_COUNT("roles", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
				   struct profile_yaml, roles, n_roles, &role_rule_schema, 0,
				   CYAML_UNLIMITED),
	CYAML_FIELD_SEQUENCE_COUNT("checkpoints", CYAML_FLAG_POINTER, struct profile_yaml,
				   checkpoints, n_checkpoints, &checkpoint_schema, 1,
				   CYAML_UNLIMITED),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t profile_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct profile_yaml, profile_fields),
};

enum match_key {
	MATCH_EXE,
	MATCH_CMDLINE,
	MATCH_FILE,
	MATCH_KEYS,
};

struct match {
	regex_t re[MATCH_KEYS];
	bool set[MATCH_KEYS];
};

struct profile {
	char *name, *off;
	struct match *match;
	size_t n_match;
	struct checkpoint_spec *specs;
	size_t n_specs;
	struct role_rules *roles;
};

/* A profile being made, and where complaints about it go. */
struct maker {
	const struct yaml_text *text;
	char *err;
	size_t err_len;
};

#define complain(m, list, index, key, ...)                                                         \
	yaml_text__error((m)->text, yaml_text__line((m)->text, list, index, key), (m)->err,        \
			 (m)->err_len, __VA_ARGS__)

static int make_match(const struct maker *m, size_t index, const struct match_yaml *y,
	struct match *out)
{
	const char *const keys[] = { "exe", "cmdline", "file" };
	const char *const res[] = { y->exe, y->cmdline, y->file };
	char why[512];
	int err;

	if (!y->exe && !y->cmdline && !y->file)
		return complain(m, "match", index, NULL, "match needs exe, cmdline or file");
	if (y->file && (y->exe || y->cmdline))
		return complain(m, "match", index, "file", "file stands alone in a match");
	for (int k = 0; k < MATCH_KEYS; k++) {
		if (!res[k])
			continue;
		err = pattern__compile(&out->re[k], res[k], why, sizeof(why));
		if (err == -EINVAL)
			return complain(m, "match", index, keys[k], "%s: %s", keys[k], why);
		if (err)
			return err;
		out->set[k] = true;
	}
	return 0;
}

/* Parses the one place that is given; its default label comes with it. */
static int make_place(const struct maker *m, size_t index, const struct checkpoint_yaml *y,
	struct checkpoint_spec *spec)
{
	static const struct {
		const char *key, *prefix;
		enum spec_type type;
	} kinds[] = {
		{ "function", "", SPEC_FUNCTION },
		{ "usdt", "usdt:", SPEC_USDT },
		{ "address", "addr:", SPEC_ADDRESS },
		{ "python", "py:", SPEC_PYTHON },
	};
	const char *const places[] = { y->function, y->usdt, y->address, y->python };
	int given = !!y->function + !!y->usdt + !!y->address + !!y->python, k = 0, err;
	char why[1024], *text;

	if (given != 1)
		return complain(m, "checkpoints", index, NULL,
				"a checkpoint needs one of function, usdt, address and python");
	while (!places[k])
		k++;
	if (asprintf(&text, "%s%s", kinds[k].prefix, places[k]) < 0)
		return -ENOMEM;
	err = spec__parse_target(text, spec, why, sizeof(why));
	free(text);
	if (!err && spec->type != kinds[k].type)
		err = complain(m, "checkpoints", index, kinds[k].key, "'%s' is not a %s", places[k],
			       kinds[k].key);
	else if (err == -EINVAL)
		complain(m, "checkpoints", index, kinds[k].key, "%s: %s", kinds[k].key, why);
	return err;
}

/* A translation needs what it translates, and a label for both ends excludes one for each. */
static int check_labels(const struct maker *m, size_t index, const struct checkpoint_yaml *y)
{
	const char *list = "checkpoints";

	if (y->label_zh && !y->label)
		return complain(m, list, index, "label_zh", "label_zh without label");
	if (y->entry_zh && !y->entry)
		return complain(m, list, index, "entry_zh", "entry_zh without entry");
	if (y->leave_zh && !y->leave)
		return complain(m, list, index, "return_zh", "return_zh without return");
	if (y->label && (y->entry || y->leave))
		return complain(m, list, index, "label",
				"label names both ends, so there can be no entry or return beside");
	if (y->leave && !y->function && !y->python)
		return complain(m, list, index, "return", "only a function has a return");
	if (y->sign != ROLE_TRUE)
		return 0;
	if (!y->python)
		return complain(m, list, index, "sign", "only a Python function can be a sign");
	if (y->label || y->entry || y->leave)
		return complain(m, list, index, "sign",
				"a sign makes no row, so it has no label, entry or return");
	if (y->inside || y->caller || y->nth || y->outermost)
		return complain(m, list, index, "sign", "a sign has no conditions");
	return 0;
}

static int add_conditions(const struct maker *m, size_t index, const struct checkpoint_yaml *y,
	struct checkpoint_spec *spec)
{
	const struct {
		const char *key, *value;
	} given[] = {
		{ "inside", y->inside },
		{ "caller", y->caller },
		{ "outermost", y->outermost == ROLE_TRUE ? "" : NULL },
		{ "nth", y->nth },
	};
	char why[1024];
	int err = 0;

	for (size_t i = 0; i < sizeof(given) / sizeof(*given) && !err; i++) {
		if (!given[i].value)
			continue;
		err = spec__add_condition(spec, given[i].key, given[i].value, why, sizeof(why));
		if (err == -EINVAL)
			complain(m, "checkpoints", index, given[i].key, "%s: %s", given[i].key, why);
	}
	return err;
}

static int make_spec(const struct maker *m, size_t index, const struct checkpoint_yaml *y,
	struct checkpoint_spec *spec)
{
	const char *entry[2], *leave[2];
	int err = check_labels(m, index, y);

	if (!err)
		err = make_place(m, index, y, spec);
	if (!err)
		err = add_conditions(m, index, y, spec);
	if (err)
		return err;
	spec->sign = y->sign == ROLE_TRUE;
	spec->extra = y->extra == ROLE_TRUE;
	entry[LANG_EN] = y->entry;
	entry[LANG_ZH] = y->entry_zh ? y->entry_zh : y->entry;
	leave[LANG_EN] = y->leave;
	leave[LANG_ZH] = y->leave_zh ? y->leave_zh : y->leave;
	if (y->label)
		err = spec__set_label(spec, y->label_zh ? y->label_zh : y->label, y->label);
	else if (y->entry || y->leave || spec->sign)
		err = spec__set_ends(spec, entry, leave);
	if (err == -EINVAL)
		complain(m, "checkpoints", index, y->label ? "label" : y->entry ? "entry" : "return",
			 "a label is one line of text without control characters, and not blank");
	return err;
}

static int make(const struct maker *m, const struct profile_yaml *y, struct profile *p)
{
	int err = 0;

	if (y->name[strspn(y->name, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
		return complain(m, "name", 0, NULL,
				"a name is made of a to z, digits, '_' and '-', '%s' is not", y->name);
	if (y->off && (!strchr(y->off, '=') || y->off[0] == '='))
		return complain(m, "off", 0, NULL, "off is NAME=VALUE, '%s' is not", y->off);
	p->name = strdup(y->name);
	p->off = y->off ? strdup(y->off) : NULL;
	p->match = calloc(y->n_match ? y->n_match : 1, sizeof(*p->match));
	p->specs = calloc(y->n_checkpoints, sizeof(*p->specs));
	if (!p->name || !p->match || !p->specs || (y->off && !p->off))
		return -ENOMEM;
	for (size_t i = 0; i < y->n_match && !err; i++) {
		p->n_match = i + 1; /* so that a half-made one is freed too */
		err = make_match(m, i, &y->match[i], &p->match[i]);
	}
	for (size_t i = 0; i < y->n_checkpoints && !err; i++) {
		p->n_specs = i + 1;
		err = make_spec(m, i, &y->checkpoints[i], &p->specs[i]);
		p->specs[i].profile = p->name;
	}
	if (!err && y->n_roles)
		err = role_rules__compile(m->text, "roles", y->roles, y->n_roles, &p->roles,
					  m->err, m->err_len);
	return err;
}

static int parse(const struct yaml_text *text, struct profile **out, char *err, size_t err_len)
{
	const struct maker m = { .text = text, .err = err, .err_len = err_len };
	struct profile *p = NULL;
	void *yaml = NULL;
	int ret = yaml_text__load(text, &profile_schema, &yaml, err, err_len);

	if (ret)
		return ret;
	p = calloc(1, sizeof(*p));
	ret = p ? make(&m, yaml, p) : -ENOMEM;
	yaml_text__free(&profile_schema, yaml);
	if (ret) {
		profile__free(p);
		return ret;
	}
	*out = p;
	return 0;
}

static int read_all(int fd, char *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO; /* it has become shorter */
		done += n;
	}
	return 0;
}

static int load_file(const char *path, struct profile **out, char *err, size_t err_len)
{
	/* a FIFO must not make us wait: O_NONBLOCK, and only regular files are read */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = 0;
	struct yaml_text text = { .name = path };
	char *buf = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		ret = -errno;
		snprintf(err, err_len, "cannot read the profile %s: %s", path, strerror(-ret));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE) {
		ret = S_ISREG(st.st_mode) ? -EFBIG : -EINVAL;
		snprintf(err, err_len, "cannot read the profile %s: it is %s", path,
			 S_ISREG(st.st_mode) ? "larger than 64 MiB" : "not a regular file");
		goto out;
	}
	buf = malloc(st.st_size + 1);
	ret = buf ? read_all(fd, buf, st.st_size) : -ENOMEM;
	if (ret) {
		snprintf(err, err_len, "cannot read the profile %s: %s", path, strerror(-ret));
		goto out;
	}
	text.data = buf;
	text.len = st.st_size;
	ret = parse(&text, out, err, err_len);
out:
	free(buf);
	if (fd >= 0)
		close(fd);
	return ret;
}

static void list_names(const char *wanted, char *err, size_t err_len)
{
	size_t n = snprintf(err, err_len, "there is no profile '%.*s'; there are", MAX_NAME, wanted);
	const char *sep = " ";

	for (const char *const *name = profile_names(); *name && n < err_len; name++, sep = ", ")
		n += snprintf(err + n, err_len - n, "%s%s", sep, *name);
	if (n < err_len)
		snprintf(err + n, err_len - n, ", or name a file by a path that holds '/' or ends in "
			 SUFFIX);
}

int profile__load(const char *name_or_path, struct profile **out, char *err, size_t err_len)
{
	size_t len = strlen(name_or_path);
	const struct embedded *file;
	struct yaml_text text;
	char name[MAX_NAME + sizeof(SUFFIX)];

	*out = NULL;
	if (err_len)
		err[0] = '\0';
	if (strchr(name_or_path, '/') ||
	    (len >= strlen(SUFFIX) && !strcmp(name_or_path + len - strlen(SUFFIX), SUFFIX)))
		return load_file(name_or_path, out, err, err_len);
	snprintf(name, sizeof(name), "%.*s%s", MAX_NAME, name_or_path, SUFFIX);
	file = len > MAX_NAME || !strcmp(name_or_path, "roles") ? NULL : embedded_find(name);
	if (!file) {
		list_names(name_or_path, err, err_len);
		return -ENOENT;
	}
	text = (struct yaml_text){
		.name = file->name, .data = file->data, .len = file->end - file->data
	};
	return parse(&text, out, err, err_len);
}

void profile__free(struct profile *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_match; i++)
		for (int k = 0; k < MATCH_KEYS; k++)
			if (p->match[i].set[k])
				regfree(&p->match[i].re[k]);
	for (size_t i = 0; i < p->n_specs; i++)
		spec__clear(&p->specs[i]);
	role_rules__free(p->roles);
	free(p->match);
	free(p->specs);
	free(p->name);
	free(p->off);
	free(p);
}

const char *profile__name(const struct profile *p)
{
	return p->name;
}

const char *profile__off(const struct profile *p)
{
	return p->off;
}

const struct checkpoint_spec *profile__specs(const struct profile *p, size_t *n)
{
	*n = p->n_specs;
	return p->specs;
}

const struct role_rules *profile__roles(const struct profile *p)
{
	return p->roles;
}

static bool any_match(const struct profile *p, const char *const subject[MATCH_KEYS])
{
	for (size_t i = 0; i < p->n_match; i++) {
		bool all = true;

		for (int k = 0; k < MATCH_KEYS && all; k++)
			if (p->match[i].set[k])
				all = subject[k] && !regexec(&p->match[i].re[k], subject[k], 0, NULL, 0);
		if (all)
			return true;
	}
	return false;
}

bool profile__matches(const struct profile *p, const char *exe, const char *cmdline)
{
	char exe_buf[PATTERN_SUBJECT], cmdline_buf[PATTERN_SUBJECT];
	const char *slash = exe ? strrchr(exe, '/') : NULL;

	pattern_subject(slash ? slash + 1 : exe, exe_buf);
	pattern_subject(cmdline, cmdline_buf);
	return any_match(p, (const char *[]){ exe_buf, cmdline_buf, NULL });
}

bool profile__matches_file(const struct profile *p, const char *path)
{
	char buf[PATTERN_SUBJECT];

	pattern_subject(path, buf);
	return any_match(p, (const char *[]){ NULL, NULL, buf });
}

const char *const *profile_names(void)
{
	/* filled alike by every call: the embedded names, without their suffix */
	static char names[MAX_SHIPPED][MAX_NAME];
	static const char *list[MAX_SHIPPED + 1];
	size_t n = 0, len;

	for (const struct embedded *e = embedded_files; e->name && n < MAX_SHIPPED; e++) {
		len = strlen(e->name);
		if (len <= strlen(SUFFIX) || len >= MAX_NAME || !strcmp(e->name, "roles" SUFFIX) ||
		    strcmp(e->name + len - strlen(SUFFIX), SUFFIX))
			continue;
		snprintf(names[n], MAX_NAME, "%.*s", (int)(len - strlen(SUFFIX)), e->name);
		list[n] = names[n];
		n++;
	}
	list[n] = NULL;
	return list;
}
