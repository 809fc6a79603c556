/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "ramtrace.skel.h"
#include "ring.h"

#define MIN_HEADROOM   16384 /* of the ring, for what is no checkpoint */
#define EVENTS_A_PAUSE 65536

/* include/uapi/linux/bpf.h */
#define FUNC_LOOP		    181
#define FUNC_MAP_LOOKUP_PERCPU_ELEM 195

struct session {
	struct ramtrace_bpf *bpf;
	struct ring *ring;
	struct uprobe_links *uprobes;
	bool multi;
	bool python;
	bool per_cpu_areas; /* their offsets can be found, and from 6.2 on are needed */
	bool faults; /* there are tracepoints that tell of page faults (not on arm64), */
	bool room;   /* and of where new mappings are */
	bool direct; /* BPF can read kernel memory without a helper (6.2, with uprobe_multi 6.6) */
	int cpus;
	unsigned int pretend; /* see LIMIT_CPUS; 0: as many as there are */
};

static int to_debug_log(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return log_level() >= LOG_DEBUG && level != LIBBPF_DEBUG ? vfprintf(stderr, fmt, ap) : 0;
}

/* What the kernel's BTF does not list, no program can call or attach to. */
static void look_into_btf(struct session *s)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return;
	s->direct = s->multi && btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	s->faults = btf__find_by_name_kind(btf, "btf_trace_page_fault_user", BTF_KIND_TYPEDEF) > 0;
	s->room = s->faults && btf__find_by_name_kind(btf, "btf_trace_vm_unmapped_area", BTF_KIND_TYPEDEF) > 0;
	btf__free(btf);
}

static struct bpf_program *on_function(const struct session *s)
{
	return s->direct ? s->bpf->progs.on_function_direct : s->bpf->progs.on_function;
}

static void set_limits(struct ramtrace_bpf *bpf, const struct limits *limits)
{
	struct bpf_map *const maps[LIMIT_COUNT_][2] = {
		[LIMIT_PROCESSES] = {bpf->maps.procs, bpf->maps.mms},
		[LIMIT_FUNCTIONS] = {bpf->maps.py_ids, bpf->maps.py_funcs},
		[LIMIT_NODES] = {bpf->maps.growth_nodes},
		[LIMIT_CELLS] = {bpf->maps.growth_cells},
		[LIMIT_RESTS] = {bpf->maps.growth_rests},
		[LIMIT_MAPPINGS] = {bpf->maps.growth_maps},
	};

	for (int i = 0; i < LIMIT_COUNT_; i++)
		for (int k = 0; k < 2 && maps[i][k] && limits->n[i]; k++)
			bpf_map__set_max_entries(maps[i][k], limits->n[i]);
}

/* Without full attribution there is nothing in them. */
static void leave_out_growth(struct ramtrace_bpf *bpf)
{
	bpf_map__set_max_entries(bpf->maps.growth_maps, 1);
	bpf_map__set_max_entries(bpf->maps.growth_map_starts, 1);
	bpf_map__set_max_entries(bpf->maps.growth_nodes, 1);
	bpf_map__set_max_entries(bpf->maps.growth_cells, 1);
	bpf_map__set_max_entries(bpf->maps.growth_rests, 1);
}

static void set_knobs(struct session *s, const struct session_config *config)
{
	struct ramtrace_bpf *bpf = s->bpf;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	bpf->rodata->nr_cpus = s->pretend ? s->pretend : (unsigned int)s->cpus;
	bpf->rodata->page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE));
	bpf->rodata->tool_tgid = getpid();
	bpf->rodata->follow_children = config->follow_children;
	bpf->rodata->py_enabled = s->python;
	bpf->rodata->growth_on = config->growth;
	bpf->rodata->rss_batch = online > 16 ? (int)online * 2 : 32;
	bpf_program__set_autoload(bpf->progs.on_user_fault, config->growth && s->faults);
	bpf_program__set_autoload(bpf->progs.on_kernel_fault, config->growth && s->faults);
	bpf_program__set_autoload(bpf->progs.on_room, config->growth && s->room);
	set_limits(bpf, &config->limits);
	if (!config->growth)
		leave_out_growth(bpf);
	bpf->rodata->ring_wake = config->ring_bytes / 4;
	bpf->rodata->ring_limit = config->ring_bytes -
		(config->ring_bytes / 8 > MIN_HEADROOM ? config->ring_bytes / 8 : MIN_HEADROOM);
	bpf_map__set_max_entries(bpf->maps.ring, config->ring_bytes);
	bpf_map__set_max_entries(bpf->maps.missed, config->max_funcs);
	if (s->multi) {
		uprobe_prepare_multi(on_function(s));
		uprobe_prepare_multi(bpf->progs.on_uretprobe);
		uprobe_prepare_multi(bpf->progs.on_mapped);
		uprobe_prepare_multi(bpf->progs.on_python_entry);
		uprobe_prepare_multi(bpf->progs.on_mark);
	}
	bpf_program__set_autoload(bpf->progs.init_cpu_offsets, s->per_cpu_areas);
	bpf_program__set_autoload(bpf->progs.install_python, s->python);
	bpf_program__set_autoload(bpf->progs.on_uretprobe, config->uretprobes);
	bpf_program__set_autoload(bpf->progs.on_function, !s->direct);
	bpf_program__set_autoload(bpf->progs.on_function_direct, s->direct);
	bpf_program__set_autoattach(on_function(s), false);
	bpf_program__set_autoattach(bpf->progs.on_uretprobe, false);
	bpf_program__set_autoattach(bpf->progs.on_mapped, false);
	bpf_program__set_autoload(bpf->progs.on_python_entry, s->python);
	bpf_program__set_autoattach(bpf->progs.on_python_entry, false);
	bpf_program__set_autoload(bpf->progs.on_mark, config->markers);
	bpf_program__set_autoattach(bpf->progs.on_mark, false);
	bpf_program__set_autoattach(bpf->progs.on_task, false);
	bpf_program__set_autoattach(bpf->progs.on_task_time, false);
	/* what a new program has mapped is to be known before it gets to its first marker */
	bpf->bss->exec_wakes = config->markers;
}

static int init_offsets(struct session *s, unsigned int pretend)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int err;

	if (!s->per_cpu_areas)
		return 0;
	err = bpf_prog_test_run_opts(bpf_program__fd(s->bpf->progs.init_cpu_offsets), &opts);
	if (err)
		return -errno;
	for (unsigned int cpu = s->cpus; cpu < pretend; cpu++)
		s->bpf->bss->cpu_offset[cpu] = s->bpf->bss->cpu_offset[cpu % s->cpus];
	return opts.retval && !pretend ? -EIO : 0;
}

static const char *load_hint(int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		return "; it takes root, or CAP_BPF and CAP_PERFMON, and a kernel that is not locked "
		       "down";
	case ENOENT:
	case ESRCH:
		return "; the kernel lacks BTF or one of the tracepoints (see -v)";
	case ENOMEM:
	case E2BIG:
		return "; not enough memory, or RLIMIT_MEMLOCK is too low (before 5.11: ulimit -l "
		       "unlimited)";
	default:
		return "; -v shows what the kernel says";
	}
}

int session__open(const struct session_config *config, struct session **out, char *err, size_t len)
{
	/* Named, so that types of other kernels are not sought in those of modules: up to libbpf 1.2
	 * that takes CAP_SYS_ADMIN. */
	LIBBPF_OPTS(bpf_object_open_opts, open, .btf_custom_path = "/sys/kernel/btf/vmlinux");
	struct session *s = calloc(1, sizeof(*s));
	const char *doing = "open";
	int ret = -ENOMEM;

	if (!s)
		goto out;
	libbpf_set_print(to_debug_log);
	s->cpus = libbpf_num_possible_cpus();
	s->multi = uprobe_has_multi();
	look_into_btf(s);
	/* of 5.19; kernels before it count RSS without per-CPU parts */
	s->per_cpu_areas = libbpf_probe_bpf_helper(BPF_PROG_TYPE_SYSCALL,
				   (enum bpf_func_id)FUNC_MAP_LOOKUP_PERCPU_ELEM, NULL) == 1;
	s->python = config->python && libbpf_probe_bpf_helper(BPF_PROG_TYPE_SYSCALL, (enum bpf_func_id)FUNC_LOOP, NULL) == 1;
	s->uprobes = uprobe_links__new();
	s->bpf = ramtrace_bpf__open_opts(&open);
	if (!s->uprobes || !s->bpf) {
		ret = s->uprobes ? -errno : -ENOMEM;
		goto out;
	}
	s->pretend = config->limits.n[LIMIT_CPUS];
	if (s->cpus > (int)RT_MAX_CPUS || s->pretend > RT_MAX_CPUS) {
		doing = "use more than 1024 possible CPUs with";
		ret = -E2BIG;
		goto out;
	}
	set_knobs(s, config);
	doing = "load";
	ret = ramtrace_bpf__load(s->bpf);
	if (ret)
		goto out;
	doing = "find the per-CPU areas with";
	ret = init_offsets(s, s->pretend);
	if (ret)
		goto out;
	doing = "attach";
	ret = ramtrace_bpf__attach(s->bpf);
	if (ret)
		goto out;
	doing = "map the ring buffer of";
	ret = ring__map(bpf_map__fd(s->bpf->maps.ring), bpf_map__max_entries(s->bpf->maps.ring),
		&s->ring);
out:
	if (ret) {
		snprintf(err, len, "cannot %s the BPF programs: %s%s", doing, strerror(-ret),
			load_hint(ret));
		session__close(s);
		return ret;
	}
	*out = s;
	return 0;
}

void session__close(struct session *s)
{
	if (!s)
		return;
	uprobe_links__free(s->uprobes);
	ring__free(s->ring);
	ramtrace_bpf__destroy(s->bpf);
	free(s);
}

bool session__has_multi(const struct session *s)
{
	return s->multi;
}

unsigned int session__cpus(const struct session *s)
{
	return s->cpus;
}

/* As bpf/ramtrace.bpf.c has it. */
struct proc_state {
	uint64_t mm, start_ns;
	uint32_t flags, pad;
};
#define PROC_WAITS_FOR_EXEC 1

int session__want(struct session *s, pid_t pid, bool waits_for_exec)
{
	struct proc_state ps = {.flags = waits_for_exec ? PROC_WAITS_FOR_EXEC : 0};
	uint32_t tgid = pid;

	if (bpf_map__update_elem(s->bpf->maps.procs, &tgid, sizeof(tgid), &ps, sizeof(ps), BPF_NOEXIST))
		return errno == EEXIST ? 0 : -errno;
	return 0;
}

/* Runs a task iterator once over all tasks. When the ring has no room for what it sends, it
 * pauses, and fn takes what is there. */
static int run_iterator(struct session *s, struct bpf_program *prog, session_event_fn *fn, void *ctx)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);
	char buf[256];
	int fd, err = 0;
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		err = -errno;
		goto out;
	}
	while (!err && (n = read(fd, buf, sizeof(buf)))) {
		if (n > 0 || errno == EINTR)
			continue;
		err = -errno;
		if (err == -EAGAIN)
			err = fn ? session__poll(s, fn, ctx, EVENTS_A_PAUSE) : 0;
		if (err > 0)
			err = 0;
	}
	close(fd);
out:
	bpf_link__destroy(link);
	return err;
}

int session__adopt(struct session *s)
{
	int err, total = 0;

	/* A pass takes in the children of what the pass before took in, and those that were forked
	 * meanwhile by a process not yet traced. */
	do {
		s->bpf->bss->adopted = 0;
		err = run_iterator(s, s->bpf->progs.on_task, NULL, NULL);
		if (err)
			return err;
		total += s->bpf->bss->adopted;
	} while (s->bpf->bss->adopted);
	return total;
}

int session__report(struct session *s, session_event_fn *fn, void *ctx)
{
	int err;

	s->bpf->bss->report_processes = 1;
	err = run_iterator(s, s->bpf->progs.on_task, fn, ctx);
	s->bpf->bss->report_processes = 0;
	return err;
}

static struct rt_change to_change(const __u64 pages[4])
{
	const int64_t page = sysconf(_SC_PAGESIZE);

	return (struct rt_change){.file = pages[0] * page,
		.anon = pages[1] * page,
		.swap = pages[2] * page,
		.shmem = pages[3] * page};
}

static int hand_over_cells(struct bpf_map *cells, session_event_fn *fn, void *ctx)
{
	struct rt_growth ev = {.h = {.kind = RT_EV_GROWTH, .len = sizeof(ev)}};
	struct rt_cell_key *at = NULL;
	struct rt_cell cell;
	int err = 0;

	while (!err && !bpf_map__get_next_key(cells, at, &ev.key, sizeof(ev.key))) {
		at = &ev.key;
		if (bpf_map__lookup_elem(cells, at, sizeof(*at), &cell, sizeof(cell), 0))
			continue;
		ev.line = 0;
		ev.grown = to_change(cell.grown);
		ev.returned = to_change(cell.returned);
		err = fn(ctx, &ev, sizeof(ev));
	}
	return err;
}

int session__growth(struct session *s, session_event_fn *fn, void *ctx)
{
	int err = hand_over_cells(s->bpf->maps.growth_cells, fn, ctx);

	return err ? err : hand_over_cells(s->bpf->maps.growth_rests, fn, ctx);
}

void session__set_sampling(struct session *s, uint64_t ns)
{
	s->bpf->bss->sample_ns = ns;
}

void session__leave_out_samples(struct session *s, bool off)
{
	s->bpf->bss->samples_off = off;
}

void session__set_step(struct session *s, uint64_t bytes, bool yields)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	s->bpf->bss->step_yields = yields;
	s->bpf->bss->step_pages = bytes && bytes < page ? 1 : bytes / page;
}

int session__mark_stack_copier(struct session *s, pid_t pid)
{
	uint32_t tgid = pid, one = 1;

	if (bpf_map__update_elem(s->bpf->maps.stack_copiers, &tgid, sizeof(tgid), &one, sizeof(one),
		    BPF_ANY))
		return -errno;
	return 0;
}

/* --- Python ----------------------------------------------------------------------------------------- */

bool session__has_python(const struct session *s)
{
	return s->python;
}

int session__want_name(struct session *s, enum rt_py_name kind, uint64_t hash, uint32_t want)
{
	uint32_t before = 0;

	bpf_map__lookup_elem(s->bpf->maps.py_names, &hash, sizeof(hash), &before, sizeof(before), 0);
	want |= before;
	s->bpf->bss->exec_wakes = 1;
	if (kind == RT_PY_ANY_NAME)
		s->bpf->bss->py_by_name = 1;
	if (bpf_map__update_elem(s->bpf->maps.py_names, &hash, sizeof(hash), &want, sizeof(want), BPF_ANY))
		return -errno;
	return 0;
}

void session__want_all(struct session *s, uint32_t want)
{
	s->bpf->bss->exec_wakes = 1;
	s->bpf->bss->py_want_all |= want;
}

int session__install_python(struct session *s, pid_t pid, const struct rt_py *py,
	struct rt_py_install *done)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = done, .ctx_size_in = sizeof(*done));

	*done = (struct rt_py_install){.tgid = pid, .py = *py};
	if (bpf_prog_test_run_opts(bpf_program__fd(s->bpf->progs.install_python), &opts))
		return -errno;
	return opts.retval == 1 ? -ESRCH : opts.retval ? -ENOSPC : 0;
}

/* As bpf/pycode.bpf.h has it. */
struct py_func {
	uint32_t func, want;
};
#define PY_ID_TRIES 4

/* As py_make_id there. */
static uint32_t make_id(struct session *s, uint64_t ident)
{
	uint32_t id = ident >> 32, func;
	uint64_t whose;

	for (int i = 0; i < PY_ID_TRIES; i++, id++) {
		func = id & (RT_PY_FUNC_END - 1);
		if (func < RT_PY_FUNC_BASE)
			func |= RT_PY_FUNC_BASE;
		if (!bpf_map__update_elem(s->bpf->maps.py_ids, &func, sizeof(func), &ident,
			    sizeof(ident), BPF_NOEXIST))
			return func;
		if (!bpf_map__lookup_elem(s->bpf->maps.py_ids, &func, sizeof(func), &whose,
			    sizeof(whose), 0) && whose == ident)
			return func;
	}
	return 0;
}

uint32_t session__python_id(struct session *s, uint64_t ident, uint32_t want)
{
	struct py_func f = {.func = make_id(s, ident), .want = want};

	if (!f.func)
		return 0;
	/* either may have been first */
	if (bpf_map__update_elem(s->bpf->maps.py_funcs, &ident, sizeof(ident), &f, sizeof(f), BPF_NOEXIST) &&
		bpf_map__lookup_elem(s->bpf->maps.py_funcs, &ident, sizeof(ident), &f, sizeof(f), 0))
		return 0;
	return f.func;
}

void session__unwant(struct session *s, uint64_t ident, uint32_t func, bool named)
{
	struct py_func f = {.func = func, .want = RT_PY_NAMED};
	uint8_t yes = 1;

	if (named) {
		bpf_map__update_elem(s->bpf->maps.py_funcs, &ident, sizeof(ident), &f, sizeof(f), BPF_EXIST);
		return;
	}
	bpf_map__update_elem(s->bpf->maps.py_unwanted, &ident, sizeof(ident), &yes, sizeof(yes), BPF_ANY);
	bpf_map__delete_elem(s->bpf->maps.py_funcs, &ident, sizeof(ident), 0);
	bpf_map__delete_elem(s->bpf->maps.py_ids, &func, sizeof(func), 0);
}

int session__watch_entries(struct session *s, pid_t pid, const char *path, const struct uprobe_site *sites,
	size_t n, struct uprobe_links **out)
{
	struct uprobe_links *links = uprobe_links__new();
	size_t *refused = calloc(n, sizeof(*refused)), n_refused;
	int err = -ENOMEM;

	if (links && refused)
		err = uprobe_attach(links, s->bpf->progs.on_python_entry, s->multi, UPROBE_PLAIN, pid, path,
			sites, n, refused, &n_refused);
	free(refused);
	if (err) {
		uprobe_links__free(links);
		return err;
	}
	*out = links;
	return 0;
}

int session__attach(struct session *s, enum session_prog prog, const char *path,
	const struct uprobe_site *sites, size_t n, size_t *refused, size_t *n_refused)
{
	struct bpf_program *const progs[] = {
		[SESSION_FUNCTION] = on_function(s),
		[SESSION_URETPROBE] = s->bpf->progs.on_uretprobe,
		[SESSION_MAPPED] = s->bpf->progs.on_mapped,
		[SESSION_MARK] = s->bpf->progs.on_mark,
	};

	return uprobe_attach(s->uprobes, progs[prog], s->multi,
		prog == SESSION_URETPROBE ? UPROBE_RETURN : UPROBE_PLAIN, 0, path, sites, n, refused,
		n_refused);
}

size_t session__sites(const struct session *s)
{
	return s->uprobes ? uprobe_links__count(s->uprobes) : 0;
}

int session__stop(struct session *s)
{
	s->bpf->bss->counted_all = 1;
	/* waits until each CPU has been out of the kernel's read sections, where programs run */
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) ? -errno : 0;
}

void session__detach(struct session *s)
{
	uprobe_links__free(s->uprobes);
	s->uprobes = NULL;
}

int session__fd(const struct session *s)
{
	return ring__fd(s->ring);
}

int session__poll(struct session *s, session_event_fn *fn, void *ctx, size_t max)
{
	return ring__read(s->ring, fn, ctx, max);
}

void session__losses(const struct session *s, uint64_t loss[RT_LOSS_MAX])
{
	uint64_t per_cpu[RT_MAX_CPUS];

	for (uint32_t i = 0; i < RT_LOSS_MAX; i++) {
		loss[i] = 0;
		if (bpf_map__lookup_elem(s->bpf->maps.losses, &i, sizeof(i), per_cpu,
			    s->cpus * sizeof(*per_cpu), 0))
			continue;
		for (int cpu = 0; cpu < s->cpus; cpu++)
			loss[i] += per_cpu[cpu];
	}
}

static uint64_t to_bytes(int64_t pages)
{
	return pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void session__tree_peak(const struct session *s, struct rt_snapshot *peak, uint64_t *time_ns)
{
	const struct rt_tree *tree = &s->bpf->bss->tree;

	*peak = (struct rt_snapshot){.file = to_bytes(tree->peak[0]),
		.anon = to_bytes(tree->peak[1]),
		.swap = to_bytes(tree->peak[2]),
		.shmem = to_bytes(tree->peak[3])};
	*time_ns = tree->peak_ns;
}

void session__costs(const struct session *s, struct rt_cost costs[RT_COST_MAX])
{
	struct rt_cost per_cpu[RT_MAX_CPUS];

	for (uint32_t i = 0; i < RT_COST_MAX; i++) {
		costs[i] = (struct rt_cost){0};
		if (bpf_map__lookup_elem(s->bpf->maps.costs, &i, sizeof(i), per_cpu,
			    s->cpus * sizeof(*per_cpu), 0))
			continue;
		for (int cpu = 0; cpu < s->cpus; cpu++) {
			costs[i].runs += per_cpu[cpu].runs;
			costs[i].sampled += per_cpu[cpu].sampled;
			costs[i].ns += per_cpu[cpu].ns;
			costs[i].others += per_cpu[cpu].others;
			costs[i].others_sampled += per_cpu[cpu].others_sampled;
			costs[i].others_ns += per_cpu[cpu].others_ns;
		}
	}
}

int session__cpu_time(struct session *s, uint64_t *ns)
{
	uint64_t ended = s->bpf->bss->cpu_ended_ns; /* first: who ends meanwhile is not counted twice */
	int err;

	s->bpf->bss->cpu_running_ns = 0;
	err = run_iterator(s, s->bpf->progs.on_task_time, NULL, NULL);
	*ns = ended + s->bpf->bss->cpu_running_ns;
	return err;
}

struct rt_hits session__missed(const struct session *s, unsigned int func)
{
	struct rt_hits per_cpu[RT_MAX_CPUS], sum = {0};

	if (bpf_map__lookup_elem(s->bpf->maps.missed, &func, sizeof(func), per_cpu,
		    s->cpus * sizeof(*per_cpu), 0))
		return sum;
	for (int cpu = 0; cpu < s->cpus; cpu++) {
		sum.entries += per_cpu[cpu].entries;
		sum.returns += per_cpu[cpu].returns;
	}
	return sum;
}
