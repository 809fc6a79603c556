/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "profile.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embed.h"
#include "lang.h"

#define HEAD "name: x\ncheckpoints:\n  - function: a:b\n"

/* Loads a text through a file without a name. The message in err lacks the path in front. */
static int load_bytes(const void *data, size_t len, struct profile **p, char *err, size_t err_len)
{
	int fd = memfd_create("profile", 0), ret;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	cr_assert_eq(write(fd, data, len), (ssize_t)len);
	ret = profile__load(path, p, err, err_len);
	close(fd);
	cr_expect((ret == 0) == (*p != NULL));
	if (!strncmp(err, path, strlen(path)))
		memmove(err, err + strlen(path), strlen(err) - strlen(path) + 1);
	return ret;
}

static int load(const char *text, struct profile **p, char *err, size_t err_len)
{
	return load_bytes(text, strlen(text), p, err, err_len);
}

static struct profile *loaded(const char *text)
{
	struct profile *p;
	char err[512] = "";

	cr_assert_eq(load(text, &p, err, sizeof(err)), 0, "%s", err);
	return p;
}

/* One place may have rows of several labels. */
static bool is_same(const struct checkpoint_spec *a, const struct checkpoint_spec *b)
{
	const char *x = a->entry[LANG_EN] ? a->entry[LANG_EN] : a->leave[LANG_EN];
	const char *y = b->entry[LANG_EN] ? b->entry[LANG_EN] : b->leave[LANG_EN];

	return !strcmp(a->text, b->text) && (!x || !y || !strcmp(x, y));
}

Test(profile, every_shipped_one_loads_and_is_complete)
{
	size_t n_profiles = 0;

	for (const char *const *name = profile_names(); *name; name++, n_profiles++) {
		char err[512] = "";
		struct profile *p;
		size_t n;
		const struct checkpoint_spec *specs;

		cr_assert_eq(profile__load(*name, &p, err, sizeof(err)), 0, "%s", err);
		cr_expect_str_eq(profile__name(p), *name);
		specs = profile__specs(p, &n);
		cr_expect_geq(n, 5);
		for (size_t i = 0; i < n; i++) {
			cr_expect_eq(specs[i].profile, profile__name(p));
			cr_expect_neq(!specs[i].sign, !(specs[i].entry[LANG_ZH] ||
				  specs[i].leave[LANG_ZH]), "%s", specs[i].text);
			cr_expect_eq(!specs[i].entry[LANG_ZH], !specs[i].entry[LANG_EN]);
			cr_expect_eq(!specs[i].leave[LANG_ZH], !specs[i].leave[LANG_EN]);
			for (size_t k = 0; k < i; k++)
				cr_expect(!is_same(&specs[i], &specs[k]), "%s: %s twice", *name,
					  specs[i].text);
		}
		profile__free(p);
	}
	cr_expect_eq(n_profiles, 9);
}

struct program {
	const char *profile, *exe, *cmdline, *file;
	bool matches;
};

static void expect_known(const struct program *cases, size_t n)
{
	for (const struct program *c = cases; c < cases + n; c++) {
		struct profile *p;
		char err[512];
		bool got;

		cr_assert_eq(profile__load(c->profile, &p, err, sizeof(err)), 0);
		got = c->file ? profile__matches_file(p, c->file)
			      : profile__matches(p, c->exe, c->cmdline);
		cr_expect_eq(got, c->matches, "case %zu", (size_t)(c - cases));
		profile__free(p);
	}
}

Test(profile, shipped_ones_know_their_servers)
{
	static const struct program cases[] = {
		{ "postgres", "/usr/lib/postgresql/15/bin/postgres", "x", NULL, true },
		{ "postgres", "postmaster", "x", NULL, true },
		{ "postgres", "/usr/bin/pg_dump", "pg_dump postgres", NULL, false },
		{ "postgres", "/postgres/bin/sh", "sh", NULL, false },
		{ "postgres", NULL, NULL, NULL, false },
		{ "redis", "/usr/bin/redis-check-rdb", "redis-server *:6379", NULL, true },
		{ "redis", "/usr/bin/redis-check-rdb", "/usr/bin/redis-server x", NULL, true },
		{ "redis", "/usr/bin/redis-check-rdb", "redis-rdb-bgsave *:6379", NULL, true },
		{ "redis", "/usr/bin/valkey-server", "", NULL, true },
		{ "redis", "/usr/bin/redis-check-rdb", "redis-check-rdb x.rdb", NULL, false },
		{ "redis", "/usr/bin/redis-cli", "redis-cli", NULL, false },
		{ "nginx", "/usr/sbin/nginx", "nginx: worker process", NULL, true },
		{ "nginx", "/usr/bin/vim", "vim nginx", NULL, false },
		{ "postgres", NULL, NULL, "/usr/bin/postgres", false },
	};

	expect_known(cases, sizeof(cases) / sizeof(*cases));
}

Test(profile, shipped_ones_know_what_runs_in_python)
{
	static const struct program cases[] = {
		{ "torch", "/usr/bin/python3.11", "python3 x.py", NULL, false },
		{ "torch", NULL, NULL, "/usr/lib/x86_64-linux-gnu/libtorch_cpu.so.1.13.0", true },
		{ "torch", NULL, NULL, "/venv/torch/lib/libtorch_cpu.so", true },
		{ "torch", NULL, NULL, "/venv/torch/lib/libtorch_cpu.so.py", false },
		{ "torch", NULL, NULL, "/venv/torch/lib/libtorch_cuda.so", false },
		{ "pytorch", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/torchrun x.py", NULL, true },
		{ "pytorch", "/usr/bin/python3.11", "python3 -m torch.distributed.run x.py", NULL, true },
		{ "pytorch", "/usr/bin/python3.11", "python3 x.py", NULL, false },
		{ "pytorch", NULL, NULL, "/venv/torch/lib/libtorch_python.so", true },
		{ "pytorch", NULL, NULL, "/venv/torch/lib/libtorch_cpu.so", false },
		{ "gunicorn", "python3.11", "/usr/bin/python3 /usr/bin/gunicorn a:b", NULL, true },
		{ "gunicorn", "python3.11", "gunicorn: worker [a:b]", NULL, true },
		{ "gunicorn", "python3.11", "[ready] gunicorn: worker [airflow-webserver]", NULL, true },
		{ "gunicorn", "python3.11", "/usr/bin/python3 -m gunicorn a:b", NULL, true },
		{ "gunicorn", "python3.11", "/usr/bin/python3 x.py gunicorn", NULL, false },
		{ "celery", "python3.11", "/usr/bin/python3 /usr/bin/celery -A x worker -c 2", NULL, true },
		{ "celery", "python3.11", "python3 -m celery worker", NULL, true },
		{ "celery", "python3.11", "[celeryd: celery@vm:ForkPoolWorker-1]", NULL, true },
		{ "celery", "python3.11", "/usr/bin/python3 /usr/bin/celery -A x beat", NULL, false },
		{ "uwsgi", "/usr/bin/uwsgi-core", "uwsgi --ini x", NULL, true },
		{ "uwsgi", "/usr/bin/uwsgi", "uWSGI worker 1", NULL, true },
		{ "uwsgi", "/usr/bin/uwsgi_python311", "x", NULL, true },
		{ "uwsgi", "/usr/bin/uwsgitop", "uwsgitop", NULL, false },
	};

	expect_known(cases, sizeof(cases) / sizeof(*cases));
}

Test(profile, the_one_of_vllm_knows_all_its_processes)
{
	static const struct program cases[] = {
		{ "vllm", "/usr/bin/python3.11", "/venv/bin/python /venv/bin/vllm serve x -tp 2", NULL,
		  true },
		{ "vllm", "/usr/bin/python3.11", "vllm serve --model Qwen3-8B", NULL, true },
		{ "vllm", "/usr/bin/python3.11", "python3 -m vllm.entrypoints.openai.api_server", NULL,
		  true },
		{ "vllm", "/usr/bin/python3.11", "VLLM::EngineCore", NULL, true },
		{ "vllm", "/usr/bin/python3.11", "VLLM::EngineCore_DP1", NULL, true },
		{ "vllm", "/usr/bin/python3.11", "VLLM::Worker_TP0", NULL, true },
		{ "vllm", "/usr/bin/python3.11", "vllm bench serve", NULL, false },
		{ "vllm", "/usr/bin/python3.11", "vim vllm serve", NULL, false },
		{ "vllm", "/usr/bin/python3.11", "python3 train.py", NULL, false },
	};

	expect_known(cases, sizeof(cases) / sizeof(*cases));
}

Test(profile, labels_come_in_two_languages_and_for_each_end)
{
	struct profile *p = loaded("name: a-b_1\n"
				   "description: d\n"
				   "off: A_B=0\n"
				   "checkpoints:\n"
				   "  - {function: 'b:f', label: sort, label_zh: 排序}\n"
				   "  - {function: 'b:ns::g', label: both, extra: true}\n"
				   "  - {function: 'b:h'}\n"
				   "  - {function: 'b:i', entry: begins, entry_zh: 开始}\n"
				   "  - {function: 'b:j', return: done}\n"
				   "  - {usdt: 'b:p:n', label: probe, extra: false}\n"
				   "  - {address: 'b:0x10'}\n");
	static const char *const want[][4] = {
		/* entry zh, entry en, return zh, return en */
		{ "排序之前", "before sort", "排序之后", "after sort" },
		{ "both之前", "before both", "both之后", "after both" },
		{ "h之前", "before h", "h之后", "after h" },
		{ "开始", "begins", NULL, NULL },
		{ NULL, NULL, "done", "done" },
		{ "probe", "probe", NULL, NULL },
		{ "b:0x10", "b:0x10", NULL, NULL },
	};
	const struct checkpoint_spec *specs;
	size_t n;

	specs = profile__specs(p, &n);
	cr_assert_eq(n, 7);
	cr_expect_str_eq(profile__name(p), "a-b_1");
	cr_expect_str_eq(profile__off(p), "A_B=0");
	for (size_t i = 0; i < n; i++) {
		const char *got[] = { specs[i].entry[LANG_ZH], specs[i].entry[LANG_EN],
				      specs[i].leave[LANG_ZH], specs[i].leave[LANG_EN] };

		for (int k = 0; k < 4; k++)
			cr_expect(got[k] && want[i][k] ? !strcmp(got[k], want[i][k])
						       : !got[k] && !want[i][k],
				  "%s: %d", specs[i].text, k);
		cr_expect_eq(specs[i].extra, i == 1);
	}
	cr_expect_eq(specs[1].type, SPEC_FUNCTION);
	cr_expect_str_eq(specs[1].symbol, "ns::g");
	cr_expect_eq(specs[5].type, SPEC_USDT);
	cr_expect_eq(specs[6].type, SPEC_ADDRESS);
	cr_expect_eq(specs[6].addr, 0x10);
	cr_expect_null(profile__roles(p));
	profile__free(p);
}

Test(profile, python_functions_and_conditions_become_specs)
{
	struct profile *p = loaded("name: x\ncheckpoints:\n"
				   "  - {python: 'a/b.py:A.f', label: f, label_zh: 甲}\n"
				   "  - {python: 'a.b:A.g', entry: g, caller: 'A.*', outermost: true}\n"
				   "  - {function: 'l:h', inside: 'py:a/b.py:A.f', nth: 2}\n"
				   "  - {usdt: 'l:p:n', inside: 'l:operator new(unsigned long)'}\n"
				   "  - {python: 'a/b.py:A.f', outermost: false, return: r}\n"
				   "  - {python: 'a/b.py:main', sign: true}\n");
	const struct checkpoint_spec *specs;
	size_t n;

	specs = profile__specs(p, &n);
	cr_assert_eq(n, 6);
	cr_expect_eq(specs[0].type, SPEC_PYTHON);
	cr_expect(!specs[0].module && specs[1].module);
	cr_expect_str_eq(specs[0].entry[LANG_ZH], "甲之前");
	cr_expect_str_eq(specs[0].leave[LANG_EN], "after f");
	cr_expect_str_eq(specs[1].text, "py:a.b:A.g caller A.* outermost");
	cr_expect_str_eq(specs[1].when.caller, "A.*");
	cr_expect(specs[1].when.outermost);
	cr_expect_str_eq(specs[2].text, "l:h inside py:a/b.py:A.f nth 2");
	cr_expect_str_eq(specs[2].target, "l:h");
	cr_expect_str_eq(specs[2].when.inside, "py:a/b.py:A.f");
	cr_expect_eq(specs[2].when.nth, 2);
	cr_expect_str_eq(specs[3].when.inside, "l:operator new(unsigned long)");
	cr_expect(!specs[4].when.outermost && !specs[4].sign);
	cr_expect_str_eq(specs[4].leave[LANG_ZH], "r");
	cr_expect(specs[5].sign);
	cr_expect_null(profile__off(p));
	for (int lang = LANG_ZH; lang <= LANG_EN; lang++)
		cr_expect(!specs[5].entry[lang] && !specs[5].leave[lang]);
	profile__free(p);
}

/* The labels of the log that is built into vLLM, in the order of its description. */
static const char *const seed_labels[] = {
	"EngineCore初始化开始",
	"创建ModelExecutor之前",
	"创建ModelExecutor之后",
	"初始化KV Cache之前",
	"初始化KV Cache之后",
	"调用initialize_cache之前",
	"调用initialize_cache之后",
	"创建StructuredOutputManager之前",
	"创建StructuredOutputManager之后",
	"创建Scheduler之前",
	"创建Scheduler之后",
	"Worker.initialize_cache之前",
	"Worker.initialize_cache之后",
	"初始化workspace_manager之前",
	"初始化workspace_manager之后",
	"创建ModelRunner之前",
	"创建ModelRunner之后",
	"Worker.load_model之前",
	"Worker.load_model之后",
	"GPUModelRunner.__init__开始",
	"GPUModelRunner:创建InputBatch之前",
	"GPUModelRunner:创建InputBatch之后",
	"ModelRunner.load_model:开始加载模型权重之前",
	"ModelRunner.load_model:调用model_loader.load_model之前",
	"ModelRunner.load_model:调用model_loader.load_model之后",
	"InputBatch:创建token_ids_cpu_tensor之前",
	"InputBatch:创建token_ids_cpu_tensor之后",
	"InputBatch:创建is_token_ids_tensor之前",
	"InputBatch:创建is_token_ids_tensor之后",
	"_initialize_kv_caches:获取kv_cache_specs之前",
	"_initialize_kv_caches:获取kv_cache_specs之后",
	"_initialize_kv_caches:调用determine_available_memory之前",
	"_initialize_kv_caches:调用determine_available_memory之后",
	"_initialize_kv_caches:调用get_kv_cache_configs之前",
	"_initialize_kv_caches:调用get_kv_cache_configs之后",
	"_initialize_kv_caches:调用initialize_from_config之前",
	"_initialize_kv_caches:调用initialize_from_config之后",
	"WorkerWrapper.initialize_from_config之前",
	"WorkerWrapper.initialize_from_config之后",
	"WorkerWrapper.init_device之前",
	"WorkerWrapper.init_device之后",
};

enum { N_SEED = sizeof(seed_labels) / sizeof(*seed_labels) };

/* Adds a label that is not there yet. */
static size_t add_label(const char **list, size_t n, const char *label)
{
	for (size_t i = 0; i < n; i++)
		if (!label || !strcmp(list[i], label))
			return n;
	if (label)
		list[n++] = label;
	return n;
}

Test(profile, vllm_has_the_labels_of_its_own_log_in_their_order)
{
	const char *labels[200] = { 0 };
	const struct checkpoint_spec *specs;
	char err[512] = "";
	struct profile *p;
	size_t n, n_labels = 0;

	cr_assert_eq(profile__load("vllm", &p, err, sizeof(err)), 0, "%s", err);
	specs = profile__specs(p, &n);
	for (size_t i = 0; i < n; i++) {
		if (specs[i].extra)
			continue;
		n_labels = add_label(labels, n_labels, specs[i].entry[LANG_ZH]);
		n_labels = add_label(labels, n_labels, specs[i].leave[LANG_ZH]);
	}
	cr_expect_eq(N_SEED, 41);
	cr_expect_eq(n_labels, N_SEED);
	for (size_t i = 0; i < N_SEED && i < n_labels; i++)
		cr_expect_str_eq(labels[i], seed_labels[i]);
	profile__free(p);
}

Test(profile, alternatives_of_vllm_have_the_same_words_in_both_languages)
{
	const struct checkpoint_spec *specs;
	char err[512] = "";
	struct profile *p;
	size_t n;

	cr_assert_eq(profile__load("vllm", &p, err, sizeof(err)), 0, "%s", err);
	specs = profile__specs(p, &n);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++) {
			char *const *a = specs[i].entry, *const *b = specs[k].entry;

			if (a[LANG_EN] && b[LANG_EN])
				cr_expect_eq(!strcmp(a[LANG_EN], b[LANG_EN]),
					     !strcmp(a[LANG_ZH], b[LANG_ZH]), "%s", a[LANG_EN]);
			a = specs[i].leave;
			b = specs[k].leave;
			if (a[LANG_EN] && b[LANG_EN])
				cr_expect_eq(!strcmp(a[LANG_EN], b[LANG_EN]),
					     !strcmp(a[LANG_ZH], b[LANG_ZH]), "%s", a[LANG_EN]);
		}
	}
	profile__free(p);
}

Test(profile, a_match_needs_all_that_it_names)
{
	struct profile *p = loaded("match:\n  - {exe: ^java$, cmdline: Kafka}\n"
				   "  - cmdline: other\n" HEAD);

	cr_expect(profile__matches(p, "/usr/bin/java", "java -jar Kafka"));
	cr_expect(!profile__matches(p, "/usr/bin/java", "java -jar x"));
	cr_expect(!profile__matches(p, "/usr/bin/sh", "Kafka"));
	cr_expect(profile__matches(p, "/usr/bin/sh", "other"));
	cr_expect(!profile__matches_file(p, "/other"));
	profile__free(p);
	p = loaded(HEAD);
	cr_expect(!profile__matches(p, "/bin/a", "a"), "without match it matches nothing");
	profile__free(p);
}

Test(profile, it_may_bring_roles)
{
	struct profile *p = loaded(HEAD "roles:\n  - {cmdline: '^shop (.*)$', role: 'shop: \\1'}\n");
	const struct role_subject s = { .cmdline = "shop till", .comm = "", .exe = "" };
	char buf[32];

	cr_assert_not_null(profile__roles(p));
	cr_expect_gt(role_rules__apply(profile__roles(p), &s, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "shop: till");
	profile__free(p);
}

static const struct {
	const char *text, *message; /* how it begins, behind the path */
} bad[] = {
	{ "", ":1: the file is empty" },
	{ "# nothing\n", ":1: the file is empty" },
	{ "~\n", ":1: Expecting MAPPING" },
	{ "hello\n", ":1: Expecting MAPPING" },
	{ "- a\n- b\n", ":1: Expecting MAPPING" },
	/* keys */
	{ HEAD "    lable: x\n", ":4: Unexpected key: lable" },
	{ HEAD "foo: x\n", ":4: Unexpected key: foo" },
	{ HEAD "    label: x\n    label: y\n", ":5: Mapping field already seen: label" },
	{ HEAD "name: x\n", ":4: Mapping field already seen: name" },
	{ HEAD "    ? {a: b}\n    : c\n", ":4: a plain name was expected" },
	{ HEAD "    <<: {label: x}\n", ":4: Unexpected key: <<" },
	{ "\n\nname: x\n", ":3: Missing required mapping field: checkpoints" },
	{ "checkpoints:\n  - function: a:b\n", ":1: Missing required mapping field: name" },
	/* types */
	{ "name: x\ncheckpoints:\n", ":2: Expecting SEQUENCE" },
	{ "name: x\n\ncheckpoints: []\n", ":3: Insufficient entries" },
	{ "name: x\ncheckpoints: {a: b}\n", ":2: Expecting SEQUENCE" },
	{ "name: x\ncheckpoints:\n  - function: a:b\n  - foo\n", ":4: Expecting MAPPING" },
	{ "name: x\ncheckpoints:\n  - function: [a, b]\n", ":3: Expecting STRING" },
	{ "name: x\ncheckpoints:\n  - label: a\n    function:\n", ":4: STRING length < 1" },
	{ HEAD "    extra: maybe\n", ":4: Invalid ENUM value: maybe" },
	{ HEAD "    extra: 1\n", ":4: Invalid ENUM value: 1" },
	/* YAML */
	{ HEAD "    label: &l foo\n  - function: *l\n", ":5: aliases are not allowed" },
	{ HEAD "    label: 'abc\n  - function: x:y\n",
	  ":6: found unexpected end of stream while scanning a quoted scalar that begins in line 4" },
	{ HEAD "\tlabel: x\n", ":4: found a tab" },
	{ HEAD "   label: x\n", ":4: did not find expected '-' indicator" },
	{ HEAD "---\n" HEAD, ":4: Ignoring documents after first" },
	{ HEAD "    label: a\xff\xfe\n", ":4: libyaml: invalid leading UTF-8 octet" },
	{ HEAD "    label: a\001\n", ":4: libyaml: control characters are not allowed" },
	/* values */
	{ "name: a b\ncheckpoints:\n  - function: a:b\n", ":1: a name is made of" },
	{ "checkpoints:\n  - function: a:b\nname: ../x\n", ":3: a name is made of" },
	{ HEAD "off: X\n", ":4: off is NAME=VALUE, 'X' is not" },
	{ HEAD "off: =0\n", ":4: off is NAME=VALUE" },
	{ HEAD "\n  - label: q\n    function: nocolon\n", ":6: function: 'nocolon': there is no ':'" },
	{ HEAD "  - function: usdt:a:b:c\n", ":4: 'usdt:a:b:c' is not a function" },
	{ HEAD "  - usdt: a:b\n", ":4: usdt: 'usdt:a:b': a USDT probe needs" },
	{ HEAD "  - address: a:b\n", ":4: address: 'addr:a:b': the address does not begin" },
	{ HEAD "    usdt: a:b:c\n", ":3: a checkpoint needs one of function, usdt, address and python" },
	{ HEAD "  - label: x\n", ":4: a checkpoint needs one of" },
	{ HEAD "    label: \"a\\nb\"\n", ":4: a label is one line" },
	{ HEAD "    label: ' '\n", ":4: a label is one line" },
	{ HEAD "    label: a\n    entry: b\n", ":4: label names both ends" },
	{ HEAD "    label_zh: a\n", ":4: label_zh without label" },
	{ HEAD "    return: a\n    entry_zh: a\n", ":5: entry_zh without entry" },
	{ HEAD "    return_zh: a\n", ":4: return_zh without return" },
	{ HEAD "  - usdt: a:b:c\n    return: a\n", ":5: only a function has a return" },
	/* Python, conditions */
	{ HEAD "  - python: a\n", ":4: python: 'py:a': a Python function needs a file or a module" },
	{ HEAD "    python: a.py:f\n", ":3: a checkpoint needs one of" },
	{ HEAD "  - function: py:a.py:f\n", ":4: 'py:a.py:f' is not a function" },
	{ HEAD "    label: x\n    nth: 0\n", ":5: nth: 'a:b nth 0': the condition 'nth' has '0'" },
	{ HEAD "    nth: some\n", ":4: nth: 'a:b nth some': the condition 'nth'" },
	{ HEAD "    inside: foo\n", ":4: inside: 'a:b inside foo': the condition 'inside': 'foo': there" },
	{ HEAD "    inside: 'a:b nth 2'\n", ":4: inside: 'a:b inside a:b nth 2': the condition 'inside'" },
	{ HEAD "    caller: f\n", ":4: caller: 'a:b caller f': the condition 'caller' is for Python" },
	{ HEAD "    outermost: maybe\n", ":4: Invalid ENUM value: maybe" },
	{ HEAD "    sign: true\n", ":4: only a Python function can be a sign" },
	{ HEAD "  - python: a.py:f\n    label: x\n    sign: true\n", ":6: a sign makes no row" },
	{ HEAD "  - python: a.py:f\n    sign: true\n    nth: 2\n", ":5: a sign has no conditions" },
	/* match, roles */
	{ HEAD "match:\n  - exe: ok\n  - cmdline: ok\n    exe: '(['\n",
	  ":7: exe: regular expression '([': " },
	{ HEAD "match:\n  - cmdline: 'a{3}'\n", ":5: cmdline: regular expression 'a{3}'" },
	{ HEAD "match:\n  - {}\n", ":5: match needs exe, cmdline or file" },
	{ HEAD "match:\n  - exe: x\n    file: y\n", ":6: file stands alone" },
	{ HEAD "roles:\n  - cmdline: 'a(b)'\n    role: '\\2'\n", ":6: role '\\2': " },
	{ HEAD "roles:\n  - role: x\n", ":5: a rule needs" },
	{ HEAD "roles:\n  - cmdline: x\n", ":5: Missing required mapping field: role" },
	{ HEAD "roles:\n  - environ: [a, '*(']\n    role: x\n", ":5: environ: regular expression" },
};

Test(profile, errors_carry_the_line)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char err[1024] = "";
		struct profile *p = NULL;

		cr_expect_eq(load(bad[i].text, &p, err, sizeof(err)), -EINVAL, "%s", bad[i].text);
		cr_expect(!strncmp(err, bad[i].message, strlen(bad[i].message)),
			  "\n%s\nsays  '%s'\nwants '%s'", bad[i].text, err, bad[i].message);
	}
}

Test(profile, messages_hold_no_control_characters_and_fit)
{
	char err[64];
	struct profile *p;

	cr_expect_eq(load(HEAD "    \"a\\e[31m\": x\n", &p, err, sizeof(err)), -EINVAL);
	cr_expect(!strchr(err, '\033'));
	cr_expect_lt(strlen(err), sizeof(err));
	cr_expect_eq(load(HEAD "    x: x\n", &p, err, 4), -EINVAL);
	cr_expect_eq(strlen(err), 3);
}

Test(profile, an_unknown_name_gets_the_list)
{
	char err[512];
	struct profile *p;

	cr_expect_eq(profile__load("mysql", &p, err, sizeof(err)), -ENOENT);
	cr_expect(strstr(err, "'mysql'") && strstr(err, "nginx, postgres, pytorch, redis, torch"), "%s", err);
	cr_expect_eq(profile__load("roles", &p, err, sizeof(err)), -ENOENT);
	cr_expect_eq(profile__load("", &p, err, sizeof(err)), -ENOENT);
	cr_expect_eq(profile__load("mysql", &p, err, 10), -ENOENT);
	cr_expect_eq(strlen(err), 9);
}

Test(profile, what_cannot_be_read_is_named)
{
	char err[512];
	struct profile *p;

	cr_expect_eq(profile__load("no-such.yaml", &p, err, sizeof(err)), -ENOENT);
	cr_expect(strstr(err, "no-such.yaml: No such file"), "%s", err);
	cr_expect_eq(profile__load("/proc/self", &p, err, sizeof(err)), -EINVAL);
	cr_expect(strstr(err, "not a regular file"), "%s", err);
	cr_expect_eq(profile__load("/dev/zero", &p, err, sizeof(err)), -EINVAL);
}

Test(profile, a_huge_file_is_refused_and_a_pipe_does_not_hang)
{
	int fd = memfd_create("huge", 0), fds[2];
	char path[32], err[512];
	struct profile *p;

	cr_assert_eq(ftruncate(fd, (64 << 20) + 1), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	cr_expect_eq(profile__load(path, &p, err, sizeof(err)), -EFBIG);
	close(fd);
	cr_assert_eq(pipe(fds), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	cr_expect_eq(profile__load(path, &p, err, sizeof(err)), -EINVAL);
	close(fds[0]);
	close(fds[1]);
}

Test(profile, ten_thousand_checkpoints_load)
{
	char *text = NULL, err[512];
	size_t len, n, last;
	FILE *f = open_memstream(&text, &len);
	const struct checkpoint_spec *specs;
	struct profile *p;

	fputs("name: big\ncheckpoints:\n", f);
	for (int i = 0; i < 10000; i++)
		fprintf(f, "  - function: bin:f%d\n    label: l%d\n    label_zh: 标签%d\n", i, i, i);
	last = ftell(f);
	fputs("  - function: wrong\n", f);
	fclose(f);
	cr_assert_eq(load_bytes(text, last, &p, err, sizeof(err)), 0, "%s", err);
	specs = profile__specs(p, &n);
	cr_assert_eq(n, 10000);
	cr_expect_str_eq(specs[9999].symbol, "f9999");
	cr_expect_str_eq(specs[9999].entry[LANG_ZH], "标签9999之前");
	profile__free(p);
	cr_expect_eq(load_bytes(text, len, &p, err, sizeof(err)), -EINVAL);
	cr_expect(!strncmp(err, ":30003: ", 8), "%s", err);
	free(text);
}

/* Loads or fails; what counts is that it comes back. */
static void survive(const void *data, size_t len)
{
	char err[512];
	struct profile *p;
	int ret = load_bytes(data, len, &p, err, sizeof(err));

	cr_expect(ret == 0 || ret == -EINVAL, "%d", ret);
	profile__free(p);
}

Test(profile, hostile_files_do_no_harm)
{
	static const struct {
		const char *head, *body, *tail;
		size_t times;
	} cases[] = {
		{ "name: ", "[", "", 100000 },
		{ "name: x\ncheckpoints: ", "[", "", 100000 },
		{ "name: x\ncheckpoints: ", "[{a: ", "", 100000 },
		{ "name: x\ncheckpoints:\n", "- ", "", 100000 },
		{ "", "{", "", 100000 },
		{ "", "? ", "", 100000 },
		{ "name: ", "x", "\n", 2000000 },
		{ "name: x\n", "k", ": 1\n", 2000000 },
		{ "name: x\ncheckpoints:\n  - function: a:", "b", "\n", 2000000 },
		{ "name: x\ncheckpoints:\n  - function: a:b\n    label: ", "标", "\n", 500000 },
		{ HEAD "match:\n  - exe: '", "(", "'\n", 100000 },
		{ HEAD "match:\n  - exe: '", "a*", "'\n", 128 },
		{ HEAD "match:\n  - exe: '", "(a*)*", "'\n", 9 },
		{ HEAD "match:\n  - exe: '", "a{9999}", "'\n", 30 },
		{ HEAD "match:\n", "  - exe: a\n", "", 5000 },
		{ "a: &a [x, x]\n", "b: &a [*a, *a]\n", "", 50 },
		{ "name: &a ", "!!str ", "", 1000 },
		{ "%YAML 1.1\n%TAG ! tag:x,2000:\n--- !x\n", "&a ", "", 1000 },
		{ "\xfe\xff", "\xd8", "", 1001 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		fputs(cases[i].head, f);
		for (size_t k = 0; k < cases[i].times; k++)
			fputs(cases[i].body, f);
		fputs(cases[i].tail, f);
		fclose(f);
		survive(text, len);
		free(text);
	}
	survive("name: x\0y\n", 10);
	survive("\0\0\0\0", 4);
}

Test(profile, damaged_files_do_no_harm)
{
	const struct embedded *e = embedded_find("nginx.yaml");
	size_t len = e->end - e->data;
	char *text = malloc(len);

	for (size_t n = 0; n < len; n += 13)
		survive(e->data, n);
	for (unsigned int seed = 1; seed <= 300; seed++) {
		srand(seed);
		memcpy(text, e->data, len);
		for (int k = 0; k < 3; k++)
			text[rand() % len] = "\n :-{}[]*&!|>'\"%\\\0\xff\t?"[rand() % 22];
		survive(text, len);
	}
	free(text);
}
