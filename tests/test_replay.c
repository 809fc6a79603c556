/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --replay as a user has it, of tapes in tests/data. REGENERATE=1 writes the goldens beside them
 * anew, to be read as a diff.
 *   redis  a real Redis that was attached to while it ran, filled, saved by a child, rewrote its
 *          log in another, and emptied
 *   demo   tests/demo/workers.py from its first instruction to its end
 *   vllm   vLLM 0.28 on CPUs with two workers, from its start to its answer to one request
 */
#include "trace.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <regex.h>
#include "record.h"
#include "scratch.h"
#include "tape.h"
#include "tapes.h"

#define REDIS "tests/data/redis.tape"
#define DEMO  "tests/data/demo.tape"
#define VLLM  "tests/data/vllm.tape"

/* What the command line said of a replay. */
struct replay {
	struct scratch dir;
	int status;
	char *log, *said;
};

static int run_command(const char *const *args, size_t n)
{
	char *argv[24] = { "ramtrace-bpf" };
	struct options opt;
	int status;

	for (size_t i = 0; i < n; i++)
		argv[i + 1] = (char *)args[i];
	status = options__parse((int)n + 1, argv, &opt);
	if (status < 0)
		status = replay_run(&opt);
	options__clear(&opt);
	return status;
}

static struct replay replay_args(const char *const *args, size_t n, const char *log)
{
	struct replay r = { .dir = scratch__new() };
	const char *with_log[24];
	char err[320];
	int saved = dup(2), fd;
	size_t len;

	log = log ? log : r.dir.file;
	memcpy(with_log, args, n * sizeof(*args));
	with_log[n] = "-o";
	with_log[n + 1] = log;
	snprintf(err, sizeof(err), "%s.err", r.dir.file);
	fd = open(err, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 2);
	r.status = run_command(with_log, n + 2);
	dup2(saved, 2);
	close(saved);
	close(fd);
	r.log = access(log, F_OK) ? strdup("") : scratch_read(log, &len);
	r.said = scratch_read(err, &len);
	return r;
}

#define replay(...)                                                                                \
	({                                                                                         \
		const char *args_[] = { "--replay", __VA_ARGS__ };                                 \
		replay_args(args_, sizeof(args_) / sizeof(args_[0]), NULL);                      \
	})

static void replay__free(struct replay *r)
{
	scratch__free(&r->dir);
	free(r->log);
	free(r->said);
}

/* --- goldens ---------------------------------------------------------------------------------- */

static void same_as_golden(const char *tape, const char *format, const char *lang, const char *path)
{
	struct replay r = replay(tape, "--format", format, "--lang", lang);
	char *golden;
	size_t len;

	cr_assert_eq(r.status, 0, "%s", r.said);
	cr_assert_str_eq(r.said, "");
	if (getenv("REGENERATE"))
		scratch_write(path, r.log, strlen(r.log));
	golden = scratch_read(path, &len);
	cr_assert_str_eq(r.log, golden, "%s differs; REGENERATE=1 writes it anew", path);
	free(golden);
	replay__free(&r);
}

Test(replay, of_redis_is_as_it_was_in_every_format)
{
	same_as_golden(REDIS, "seed", "en", "tests/data/redis.seed");
	same_as_golden(REDIS, "text", "zh", "tests/data/redis.zh.text");
	same_as_golden(REDIS, "text", "en", "tests/data/redis.en.text");
	same_as_golden(REDIS, "jsonl", "zh", "tests/data/redis.zh.jsonl");
	same_as_golden(REDIS, "jsonl", "en", "tests/data/redis.en.jsonl");
}

Test(replay, of_the_demo_is_as_it_was)
{
	same_as_golden(DEMO, "text", "zh", "tests/data/demo.zh.text");
	same_as_golden(DEMO, "text", "en", "tests/data/demo.en.text");
}

Test(replay, of_vllm_is_as_it_was_in_every_format)
{
	same_as_golden(VLLM, "seed", "en", "tests/data/vllm.seed");
	same_as_golden(VLLM, "text", "zh", "tests/data/vllm.zh.text");
	same_as_golden(VLLM, "jsonl", "en", "tests/data/vllm.en.jsonl");
}

static size_t count_lines(const char *text, const char *with)
{
	size_t n = 0;

	for (const char *end; *text; text = end + 1) {
		const char *at = strstr(text, with);

		end = strchr(text, '\n');
		n += at && at < end;
	}
	return n;
}

Test(replay, of_redis_has_the_server_and_both_its_children)
{
	struct replay r = replay(REDIS, "--format", "jsonl", "--lang", "en");

	cr_expect_eq(count_lines(r.log, "{\"type\":\"process\","), 3);
	cr_expect_geq(count_lines(r.log, "\"role\":\"redis-server\""), 15);
	cr_expect_geq(count_lines(r.log, "\"role\":\"redis-rdb-bgsave\""), 4);
	cr_expect_geq(count_lines(r.log, "\"role\":\"redis-aof-rewrite\""), 4);
	cr_expect_eq(count_lines(r.log, "\"role\":\"\""), 0);
	replay__free(&r);
}

Test(replay, leaves_out_what_moved_too_little)
{
	struct replay all = replay(REDIS, "--format", "seed");
	struct replay some = replay(REDIS, "--format", "seed", "--min-delta", "30M");

	cr_expect_eq(count_lines(all.log, "INFO: "), 26);
	/* three baselines, two times filled, once emptied */
	cr_expect_eq(count_lines(some.log, "INFO: "), 6, "%s", some.log);
	replay__free(&all);
	replay__free(&some);
}

Test(replay, takes_options_behind_its_tapes_and_a_report_only_if_wanted)
{
	struct replay r = replay(REDIS, "--lang", "en", "-q");

	cr_expect_eq(r.status, 0);
	cr_expect(strstr(r.log, " after FLUSHALL released -"));
	cr_expect_null(strstr(r.log, "Memory report"));
	replay__free(&r);
}

Test(replay, of_a_tape_twice_is_two_runs)
{
	struct replay one = replay(REDIS, "--format", "jsonl", "--lang", "en");
	struct replay two = replay(REDIS, REDIS, "--format", "jsonl", "--lang", "en");

	cr_expect_eq(two.status, 0, "%s", two.said);
	for (int i = 0; i < 2; i++) {
		const char *type = i ? "{\"type\":\"checkpoint\"," : "{\"type\":\"process\",";
		size_t n = count_lines(one.log, type);

		cr_expect_gt(n, 0);
		cr_expect_eq(count_lines(two.log, type), 2 * n);
	}
	cr_expect_eq(count_lines(two.log, "{\"type\":\"header\","), 1);
	cr_expect_eq(count_lines(two.log, "{\"type\":\"summary\","), 1);
	cr_expect_eq(count_lines(two.log, "\"host\":\"demo\",\"run\":2}"),
		count_lines(two.log, "\"host\":\"demo\",\"run\":1}"));
	replay__free(&one);
	replay__free(&two);
}

/* Tapes of two hosts, of runs of these names. */
static struct replay replay_runs(char *first, char *second)
{
	struct tapes t = { .dir = scratch__new() };
	struct replay r;

	for (int i = 0; i < 2; i++) {
		struct tape_writer *w = add_tape(&t);

		put_fact(w, REC_HOST, host, .host = i ? "b" : "a", .kernel = "", .version = "",
			.run_id = i ? second : first, .realtime_offset_ns = BOOT);
		put_end(w, 9, "exit");
	}
	close_writers(&t);
	r = replay(t.path[0], t.path[1]);
	cr_expect_eq(r.status, 0);
	tapes__free(&t);
	return r;
}

Test(replay, of_different_runs_is_told_with_what_to_do)
{
	struct replay r = replay_runs("job-1", "job-\033[2J");

	cr_expect(strstr(r.said, "0.tape is of run job-1, but "), "%s", r.said);
	cr_expect(strstr(r.said, "1.tape of run job-\\x1b[2J: these are different runs"), "%s", r.said);
	cr_expect(strstr(r.said, "the same --run-id"), "%s", r.said);
	replay__free(&r);
	r = replay_runs("job-1", "job-1");
	cr_expect_str_eq(r.said, "");
	replay__free(&r);
	r = replay_runs(NULL, "job-1");
	cr_expect_str_eq(r.said, "", "an old tape may be of any run");
	replay__free(&r);
}

/* --- vLLM's own memory log -------------------------------------------------------------------- */

/* What a script that was made for it takes a line for. */
struct seed_line {
	char label[128];
	double delta, total;
};

/* The next line; false: there is none. Any other line is a failure. */
static bool next_seed_line(const regex_t *re, const char **at, struct seed_line *line)
{
	size_t len = strcspn(*at, "\n");
	char text[512];
	regmatch_t m[4];

	if (!len)
		return false;
	cr_assert_lt(len, sizeof(text));
	memcpy(text, *at, len);
	text[len] = '\0';
	cr_assert_eq(regexec(re, text, 4, m, 0), 0, "not a line of that log: %s", text);
	snprintf(line->label, sizeof(line->label), "%.*s", m[1].rm_eo - m[1].rm_so, text + m[1].rm_so);
	line->delta = strtod(text + m[2].rm_so, NULL);
	line->total = strtod(text + m[3].rm_so, NULL);
	*at += len + ((*at)[len] == '\n');
	return true;
}

static void compile_seed_line(regex_t *re)
{
	cr_assert_eq(regcomp(re,
			     "^INFO: (.+) 占用 (-?[0-9]+\\.[0-9][0-9]) M RAM内存 "
			     "\\(累计: (-?[0-9]+\\.[0-9][0-9]) M\\)$",
			     REG_EXTENDED), 0);
}

/* The row in jsonl that the line is made of: the next that is not extra. The end of its line. */
static const char *expect_row(const char *jsonl, const struct seed_line *line)
{
	for (const char *end; *jsonl; jsonl = end + 1) {
		size_t len = strcspn(jsonl, "\n");
		json_t *row;
		bool is_it;

		end = jsonl + len;
		if (strncmp(jsonl, "{\"type\":\"checkpoint\"", 20))
			continue;
		row = json_loadb(jsonl, len, 0, NULL);
		is_it = json_is_false(json_object_get(row, "extra"));
		if (is_it) {
			double total = json_integer_value(json_object_get(row, "total")) / 1048576.0;

			cr_expect_str_eq(line->label,
				json_string_value(json_object_get(row, "label")));
			cr_expect_float_eq(line->total, total, 0.00501, "%s", line->label);
		}
		json_decref(row);
		if (is_it)
			return end;
	}
	cr_assert_fail("there is no row for %s", line->label);
	return NULL;
}

Test(replay, of_vllm_can_be_read_by_what_reads_the_log_built_into_vllm)
{
	static const char sample[] =
		"INFO: EngineCore初始化开始 占用 0.00 M RAM内存 (累计: 0.00 M)\n"
		"INFO: GPUModelRunner.__init__开始 占用 5.32 M RAM内存 (累计: 31.11 M)\n"
		"INFO: ModelRunner.load_model:调用model_loader.load_model之后 占用 1234.56 M RAM内存 "
		"(累计: 1287.65 M)\n";
	struct replay seed = replay(VLLM, "--format", "seed");
	struct replay all = replay(VLLM, "--format", "jsonl", "--lang", "zh");
	const char *at = sample, *row = all.log;
	size_t n = 0, loaded = 0;
	struct seed_line line;
	regex_t re;

	compile_seed_line(&re);
	while (next_seed_line(&re, &at, &line))
		n++;
	cr_expect_eq(n, 3);
	cr_expect_str_eq(line.label, "ModelRunner.load_model:调用model_loader.load_model之后");
	cr_expect_eq(line.delta, 1234.56);
	cr_expect_eq(line.total, 1287.65);
	n = 0;
	for (at = seed.log; next_seed_line(&re, &at, &line); n++) {
		row = expect_row(row, &line);
		/* in both workers */
		loaded += !strcmp(line.label, "ModelRunner.load_model:调用model_loader.load_model之后") &&
			  line.delta > 100 && line.total > line.delta;
	}
	cr_expect_eq(n, count_lines(all.log, "\"extra\":false,\"inherited\""));
	cr_expect_eq(loaded, 2);
	regfree(&re);
	replay__free(&seed);
	replay__free(&all);
}

Test(replay, of_vllm_has_its_processes_and_their_labels)
{
	struct replay r = replay(VLLM, "--format", "text", "--lang", "zh", "-q");
	static const char *const once[] = { "EngineCore初始化开始", "创建ModelExecutor之前",
		"创建ModelExecutor之后", "初始化KV Cache之前", "初始化KV Cache之后",
		"创建StructuredOutputManager之前", "创建Scheduler之后",
		"_initialize_kv_caches:获取kv_cache_specs之前" };
	static const char *const twice[] = { "WorkerWrapper.init_device之前", "创建ModelRunner之后",
		"GPUModelRunner.__init__开始", "InputBatch:创建token_ids_cpu_tensor之后",
		"InputBatch:创建is_token_ids_tensor之后", "Worker.load_model之后",
		"WorkerWrapper.initialize_from_config之后" };

	for (size_t i = 0; i < sizeof(once) / sizeof(*once); i++)
		cr_expect_eq(count_lines(r.log, once[i]), 1, "%s", once[i]);
	for (size_t i = 0; i < sizeof(twice) / sizeof(*twice); i++)
		cr_expect_eq(count_lines(r.log, twice[i]), 2, "%s", twice[i]);
	/* max_num_seqs * max_model_len * 4 bytes, and a quarter of that */
	cr_expect_eq(count_lines(r.log, "token_ids_cpu_tensor之后 占用 +40.0"), 2);
	cr_expect_eq(count_lines(r.log, "is_token_ids_tensor之后 占用 +10.0"), 2);
	/* each with its baseline; a worker gets its rank when it has begun */
	cr_expect_eq(count_lines(r.log, "(EngineCore pid="), 20);
	cr_expect_eq(count_lines(r.log, " pid=9849) "), 21);
	cr_expect_eq(count_lines(r.log, " pid=9851) "), 21);
	cr_expect_gt(count_lines(r.log, "(Worker_TP0 pid=9849) "), 10);
	cr_expect_gt(count_lines(r.log, "(Worker_TP1 pid=9851) "), 10);
	replay__free(&r);
}

/* --- damage ----------------------------------------------------------------------------------- */

static void copy_redis(const char *to, size_t cut, size_t flip)
{
	size_t len;
	char *tape = scratch_read(REDIS, &len);

	cr_assert_lt(cut, len);
	if (flip)
		tape[flip] ^= 1;
	scratch_write(to, tape, len - cut);
	free(tape);
}

static void is_a_beginning_of(const char *part, const char *whole)
{
	size_t rows = count_lines(part, "checkpoint\",\"seq\""), len = 0;

	for (size_t i = 0; i <= rows; i++) /* the header and the rows, without the end */
		len += strcspn(part + len, "\n") + 1;
	cr_expect_gt(rows, 0);
	cr_expect(!strncmp(part, whole, len));
}

Test(replay, of_a_tape_that_breaks_off_goes_as_far_as_it_goes)
{
	struct scratch s = scratch__new();
	struct replay whole = replay(REDIS, "--format", "jsonl"), r;

	copy_redis(s.file, 300, 0);
	r = replay(s.file, "--format", "jsonl");
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "file breaks off after "), "%s", r.said);
	cr_expect(strstr(r.log, "\"end\":null}\n"));
	is_a_beginning_of(r.log, whole.log);
	replay__free(&r);
	replay__free(&whole);
	scratch__free(&s);
}

Test(replay, of_a_damaged_tape_goes_as_far_as_it_is_good)
{
	struct scratch s = scratch__new();
	struct replay r;

	copy_redis(s.file, 0, 14000);
	r = replay(s.file, "--format", "jsonl");
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "file is damaged after "), "%s", r.said);
	cr_expect_eq(count_lines(r.log, "{\"type\":\"summary\","), 1);
	replay__free(&r);
	scratch__free(&s);
}

/* A whole tape, into which somebody put records that nobody could have recorded. */
static void copy_with_nonsense(const char *to, int every)
{
	struct record rec, nonsense = { .kind = REC_EVENT, .len = 8, .data = "nonsense" };
	struct tape_reader *r;
	struct tape_writer *w;

	cr_assert_eq(tape_reader__open(REDIS, &r), 0);
	cr_assert_eq(tape_writer__open(to, &w), 0);
	for (int i = 0; tape_reader__next(r, &rec) > 0; i++) {
		cr_assert_eq(tape_writer__put(w, &rec), 0);
		if (i % every)
			continue;
		nonsense.kind = i % 2 ? REC_EVENT : REC_PROC;
		cr_assert_eq(tape_writer__put(w, &nonsense), 0);
	}
	cr_assert_eq(tape_writer__close(w), 0);
	tape_reader__close(r);
}

Test(replay, leaves_out_records_that_do_not_decode_and_says_so_once)
{
	struct scratch s = scratch__new();
	struct replay whole = replay(REDIS, "--format", "jsonl"), r, two;

	copy_with_nonsense(s.file, 7);
	r = replay(s.file, "--format", "jsonl");
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect_eq(count_lines(r.said, "left out: "), 1, "%s", r.said);
	cr_expect_gt(atoi(strstr(r.said, "left out: ") + strlen("left out: ")), 5, "%s", r.said);
	cr_expect_eq(count_lines(r.said, ""), 1, "%s", r.said);
	cr_expect_str_eq(r.log, whole.log, "nothing else is missing");
	two = replay(s.file, REDIS, "--format", "jsonl");
	cr_expect_eq(two.status, EXIT_TOOL_FAILED);
	cr_expect_str_eq(two.said, r.said, "as much of a merge");
	replay__free(&two);
	replay__free(&r);
	replay__free(&whole);
	scratch__free(&s);
}

/* --- what cannot be replayed ------------------------------------------------------------------ */

Test(replay, of_what_is_no_tape_makes_no_log)
{
	struct scratch s = scratch__new();
	struct replay r;

	scratch_write(s.file, "INFO: no tape at all\n", 21);
	r = replay(REDIS, s.file);
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "it is not a tape of ramtrace-bpf"), "%s", r.said);
	cr_expect_str_eq(r.log, "");
	replay__free(&r);
	r = replay("tests/data/nowhere.tape");
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "tests/data/nowhere.tape: No such file"), "%s", r.said);
	replay__free(&r);
	scratch__free(&s);
}

Test(replay, does_not_write_its_log_over_its_tape)
{
	const char *args[] = { "--replay", REDIS, NULL };
	struct scratch s = scratch__new();
	char link_path[320], *before, *after;
	size_t len, len_after;
	struct replay r;

	copy_redis(s.file, 0, 0);
	snprintf(link_path, sizeof(link_path), "%s.link", s.file);
	cr_assert_eq(link(s.file, link_path), 0);
	before = scratch_read(s.file, &len);
	args[2] = s.file;
	r = replay_args(args, 3, link_path);
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "it is the tape"), "%s", r.said);
	after = scratch_read(s.file, &len_after);
	cr_assert_eq(len, len_after);
	cr_expect(!memcmp(before, after, len));
	free(before);
	free(after);
	replay__free(&r);
	scratch__free(&s);
}
