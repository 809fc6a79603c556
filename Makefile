# SPDX-License-Identifier: GPL-2.0-or-later
# Everything that is made lies in build/. V=1 shows commands, SAN=1 builds with sanitizers,
# CC=clang works as well as gcc. `make help` lists what there is.

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
BUILD   ?= build$(if $(SAN),/san)
CLANG   ?= $(shell command -v clang || command -v clang-14 || echo clang)
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
ARCH    := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
VMLINUX_H ?= vmlinux/vmlinux.h
VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo unknown)

# What Debian calls what is needed, to build and to test.
BUILD_PACKAGES := make gcc g++ clang llvm bpftool pkg-config git libbpf-dev libelf-dev libdw-dev \
	libcapstone-dev libjansson-dev libcyaml-dev libyaml-dev libcap-ng-dev liblzma-dev zlib1g-dev \
	uthash-dev
TEST_PACKAGES := $(BUILD_PACKAGES) libcriterion-dev systemtap-sdt-dev binutils xz-utils \
	postgresql redis-server nginx-light gunicorn python3-setproctitle uwsgi-core \
	uwsgi-plugin-python3 python3 python3-greenlet python3-jsonschema python3-venv procps util-linux \
	chromium zstd

PKGS     = libbpf libelf libdw capstone jansson libcyaml liblzma zlib libcap-ng
CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Werror -Wmissing-prototypes -Wno-unused-parameter
CPPFLAGS += -D_GNU_SOURCE -I$(BUILD) -Iuserspace $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LDLIBS  += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lstdc++ -lpthread -lm
ifdef SAN
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

SRCS  := $(wildcard userspace/*.c)
OBJS  := $(patsubst userspace/%.c,$(BUILD)/%.o,$(SRCS)) $(BUILD)/embedded.o
LIB   := $(BUILD)/libramtrace.a
TOOL  := $(BUILD)/ramtrace-bpf
EMBED := $(wildcard userspace/profiles/*.yaml) $(wildcard userspace/*.json) $(wildcard userspace/*_page.html)
MARKER := $(wildcard userspace/marker/*)
QUERIES := $(wildcard userspace/sql/*)

UNIT_TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
EXPORT_TESTS := $(wildcard tests/exports/test_*.py)
KERNEL_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/kernel_*.c))
TARGETS := $(patsubst tests/targets/%.c,$(BUILD)/targets/%,$(filter-out tests/targets/lib%, \
		$(wildcard tests/targets/*.c))) \
	$(patsubst tests/targets/%.cc,$(BUILD)/targets/%,$(wildcard tests/targets/*.cc)) \
	$(patsubst tests/targets/%.c,$(BUILD)/targets/%.so,$(wildcard tests/targets/lib*.c))

DEPS = -MMD -MP -MT $@ -MF $@.d

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(TOOL) ## build the tool

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t18

# --- set-up -------------------------------------------------------------------------------------

# Installs those of the packages that are missing; as a user it only says which. Servers among them
# are not to start: tests start their own.
POLICY := /usr/sbin/policy-rc.d
install_missing = missing=$$(for p in $(1); do \
		dpkg -s $$p 2>/dev/null | grep -q '^Status: install ok installed' || echo $$p; done); \
	[ -z "$$missing" ] || { \
	[ "$$(id -u)" = 0 ] || { echo "missing packages:" $$missing; exit 1; }; \
	[ -e $(POLICY) ] || { trap 'rm -f $(POLICY)' EXIT; trap 'exit 130' INT TERM; \
		printf '\#!/bin/sh\nexit 101\n' > $(POLICY); chmod 755 $(POLICY); }; \
	export DEBIAN_FRONTEND=noninteractive; apt-get update -q && \
	apt-get install -y -q --no-install-recommends $$missing; }

deps: ## install what building needs (Debian, as root)
	@$(call install_missing,$(BUILD_PACKAGES))

test-deps: ## install what testing needs (Debian, as root)
	@$(call install_missing,$(TEST_PACKAGES))

# --- BPF ---------------------------------------------------------------------------------------

BPF_SYS := -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)

$(BUILD)/ramtrace.bpf.o: bpf/ramtrace.bpf.c $(VMLINUX_H) Makefile | $(BUILD)
	$(call say,BPF,$<)
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v2 -D__TARGET_ARCH_$(ARCH) -Wall -Werror \
		-I$(dir $(VMLINUX_H)) -Ibpf $(BPF_SYS) $(DEPS) -c $< -o $@

$(BUILD)/ramtrace.skel.h: $(BUILD)/ramtrace.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name ramtrace_bpf > $@

# --- user space ---------------------------------------------------------------------------------

$(BUILD) $(BUILD)/tests $(BUILD)/targets $(BUILD)/bench:
	@mkdir -p $@

$(BUILD)/version.h: FORCE | $(BUILD)
	@echo '#define RAMTRACE_VERSION "$(VERSION)"' | cmp -s - $@ || \
		echo '#define RAMTRACE_VERSION "$(VERSION)"' > $@
FORCE:

$(BUILD)/embedded.S: $(EMBED) Makefile | $(BUILD)
	$(Q)( \
	echo '.section .note.GNU-stack,"",@progbits'; \
	echo '.section .rodata'; n=0; \
	for f in $(EMBED); do \
		echo ".Ln$$n: .asciz \"$$(basename $$f)\""; \
		echo ".Ld$$n: .incbin \"$$f\""; echo ".Le$$n: .byte 0"; n=$$((n+1)); \
	done; \
	echo '.section .data.rel.ro.local,"aw"'; echo '.balign 8'; \
	echo '.globl embedded_files'; echo 'embedded_files:'; i=0; \
	while [ $$i -lt $$n ]; do echo ".quad .Ln$$i, .Ld$$i, .Le$$i"; i=$$((i+1)); done; \
	echo '.quad 0, 0, 0' ) > $@

$(BUILD)/embedded.o: $(BUILD)/embedded.S
	$(Q)$(CC) -c $< -o $@

$(BUILD)/session.o: $(BUILD)/ramtrace.skel.h
$(BUILD)/cli.o $(BUILD)/trace.o: $(BUILD)/version.h

$(BUILD)/%.o: userspace/%.c Makefile | $(BUILD)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -std=gnu11 $(DEPS) -c $< -o $@

$(LIB): $(filter-out $(BUILD)/main.o,$(OBJS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(TOOL): $(BUILD)/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

# --- tests --------------------------------------------------------------------------------------

$(UNIT_TESTS): $(BUILD)/tests/%: tests/%.c $(LIB) | $(BUILD)/tests
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -Wno-missing-prototypes -std=gnu11 $(DEPS) \
		-Itests $< $(LIB) $(LDFLAGS) -lcriterion $(LDLIBS) -o $@

$(BUILD)/tests/%.o: tests/%.c | $(BUILD)/tests
	$(call say,CC,$<)
	$(Q)$(CC) -D_GNU_SOURCE -O1 -g $(WARN) -Wno-missing-prototypes -std=gnu11 $(DEPS) -Itests \
		-c $< -o $@

$(KERNEL_TESTS): %: %.o $(BUILD)/tests/harness.o
	$(call say,LD,$@)
	$(Q)$(CC) $(filter %.o,$^) -lcriterion -ljansson -lm -o $@

$(BUILD)/tests/kernel_servers: $(addprefix $(BUILD)/tests/,servers.o readings.o)
$(BUILD)/tests/kernel_workers: $(addprefix $(BUILD)/tests/,servers.o readings.o)
$(BUILD)/tests/kernel_mappings: $(BUILD)/tests/readings.o
$(BUILD)/tests/kernel_unharmed: $(BUILD)/tests/scene.o
$(addprefix $(BUILD)/tests/,kernel_python kernel_growth kernel_peak kernel_limits): $(BUILD)/tests/pyplay.o
$(addprefix $(BUILD)/tests/,kernel_growth kernel_peak kernel_limits): $(BUILD)/tests/summary.o
$(BUILD)/tests/kernel_origins: $(addprefix $(BUILD)/tests/,pyplay.o servers.o summary.o)
$(BUILD)/tests/kernel_depths: $(BUILD)/tests/summary.o
$(BUILD)/tests/kernel_truth: $(addprefix $(BUILD)/tests/,summary.o memcg.o)

# Targets are traced, so sanitizers stay out of them. -O2, as programs in production are built, and
# by gcc, since what is expected of them is what it makes of their functions.
TARGET_CC  ?= gcc
TARGET_CXX ?= g++
TARGET_FLAGS := -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror

ifeq ($(ARCH),x86)
$(BUILD)/targets/endbr $(BUILD)/targets/endbrxx: TARGET_FLAGS += -fcf-protection=full
endif

$(BUILD)/targets/depths: TARGET_FLAGS += -fomit-frame-pointer

$(BUILD)/targets/%: tests/targets/%.c | $(BUILD)/targets
	$(call say,CC,$<)
	$(Q)$(TARGET_CC) $(TARGET_FLAGS) $(DEPS) $< -pthread -ldl -lm -o $@

$(BUILD)/targets/%: tests/targets/%.cc | $(BUILD)/targets
	$(call say,CXX,$<)
	$(Q)$(TARGET_CXX) $(TARGET_FLAGS) $(DEPS) $< -pthread -o $@

$(BUILD)/targets/lib%.so: tests/targets/lib%.c | $(BUILD)/targets
	$(call say,CC,$<)
	$(Q)$(TARGET_CC) $(TARGET_FLAGS) $(DEPS) -shared -fPIC $< -o $@

targets: $(TARGETS)

export RAMTRACE_BUILD := $(abspath $(BUILD))

unit: $(UNIT_TESTS) ## run the tests that need neither root nor BPF
	$(Q)sh tests/run.sh $(UNIT_TESTS)

kernel: $(TOOL) $(TARGETS) $(KERNEL_TESTS) ## run the tests that trace real programs (root, BPF)
	$(Q)sh tests/run.sh $(KERNEL_TESTS)

test: test-deps ## set up what is missing, build, and run all tests
	$(Q)$(MAKE) --no-print-directory all $(if $(SAN),SAN=$(SAN))
	$(Q)$(MAKE) --no-print-directory run-tests $(if $(SAN),SAN=$(SAN))

# What reads exports, of PyPI where Debian has none.
EXPORT_VENV := build/exports-venv
EXPORT_PYTHON = $(EXPORT_VENV)/bin/python
export EXPORT_PYTHON

$(EXPORT_VENV)/done: tests/exports/requirements.txt
	$(call say,VENV,$(EXPORT_VENV))
	$(Q)/usr/bin/python3 -m venv --system-site-packages $(EXPORT_VENV)
	$(Q)$(EXPORT_PYTHON) -m pip --disable-pip-version-check -q install -r $< && touch $@

exports: $(TOOL) $(EXPORT_VENV)/done ## run the tests of what is made of a run, by its real readers
	$(Q)sh tests/run.sh $(EXPORT_TESTS)

run-tests: $(TOOL) $(UNIT_TESTS) $(EXPORT_VENV)/done $(TARGETS) $(KERNEL_TESTS)
	$(Q)sh tests/run.sh $(UNIT_TESTS) $(EXPORT_TESTS) $(KERNEL_TESTS)

# --- vLLM ---------------------------------------------------------------------------------------

# A real one, of PyPI, which takes minutes to install and to start. VLLM_VENV=dir names one that is
# there, VLLM_DEBIAN_VENV=dir another of a stripped Python; where Debian has its own, it is made too.
VLLM_VERSION ?= 0.28.0
VLLM_VENV    ?= build/vllm-$(VLLM_VERSION)
VLLM_MODEL   ?= build/vllm-model
VLLM_WEIGHTS ?= build/vllm-model-w
STRIPPED     := /usr/bin/python3.11
VLLM_DEBIAN_VENV ?= $(if $(and $(filter 0.28.0,$(VLLM_VERSION)),$(shell $(STRIPPED) -c \
	'import ensurepip; print(1)' 2>/dev/null)),build/vllm-$(VLLM_VERSION)-debian)
vllm_python = $(VLLM_VENV)/bin/python

vllm: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)sh tests/vllm/setup.sh $(VLLM_VENV) $(VLLM_VERSION)
	$(Q)[ -e $(VLLM_MODEL)/config.json ] || $(vllm_python) tests/vllm/model.py $(VLLM_MODEL)
	$(Q)[ -e $(VLLM_WEIGHTS)/model.safetensors ] || \
		$(vllm_python) tests/vllm/model.py $(VLLM_WEIGHTS) --weights

test-vllm: vllm ## trace a real vLLM and check all it says (root, BPF, PyPI, half an hour)
	$(if $(VLLM_DEBIAN_VENV),$(Q)PYTHON=$(STRIPPED) sh tests/vllm/setup.sh $(VLLM_DEBIAN_VENV) \
		$(VLLM_VERSION))
	$(Q)$(vllm_python) -B tests/vllm/check.py --tool $(TOOL) --venv $(VLLM_VENV) \
		--version $(VLLM_VERSION) --model $(VLLM_MODEL) --weights $(VLLM_WEIGHTS) \
		$(if $(VLLM_DEBIAN_VENV),--debian-venv $(VLLM_DEBIAN_VENV)) $(VLLM_CHECK)

bench-vllm: vllm ## measure what tracing costs a real vLLM (root, BPF, PyPI, quiet machine)
	$(Q)$(vllm_python) -B tests/vllm/cost.py --tool $(TOOL) --venv $(VLLM_VENV) \
		--model $(VLLM_MODEL) $(VLLM_COST)

# --- demo ---------------------------------------------------------------------------------------

demo: deps ## set up, build, and trace a Python server and its workers
	@$(call install_missing,python3)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)sh tests/demo.sh $(TOOL) tests/data/demo.tape

# --- benchmark ----------------------------------------------------------------------------------

# Peers that Debian or PyPI has are installed; one that is missing nevertheless is listed as absent.
# BENCH_ARGS='--rounds 1 --only faults10,checkpoint' measures less.
BENCH := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c)) \
	$(BUILD)/bench/hit-pg $(BUILD)/bench/hit.yaml
BENCH_PEERS := bpftrace linux-perf uftrace bpfcc-tools python3-psutil python3-venv gnuplot-nox

$(BUILD)/bench/probe: tests/bench/probe.c $(LIB) | $(BUILD)/bench
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -std=gnu11 $(DEPS) $< $(LIB) $(LDFLAGS) $(LDLIBS) -o $@

$(BUILD)/bench/%: tests/bench/%.c | $(BUILD)/bench
	$(call say,CC,$<)
	$(Q)$(TARGET_CC) $(TARGET_FLAGS) $(DEPS) $< -o $@

$(BUILD)/bench/hit-pg: tests/bench/hit.c | $(BUILD)/bench
	$(call say,CC,$<)
	$(Q)$(TARGET_CC) $(TARGET_FLAGS) -pg $(DEPS) $< -o $@

$(BUILD)/bench/hit.yaml: tests/bench/hit.yaml | $(BUILD)/bench
	$(Q)sed 's|@DIR@|$(abspath $(BUILD)/bench)|' $< > $@

bench: deps ## measure what tracing costs, and what others cost (root, BPF, quiet machine)
	@$(call install_missing,python3 procps)
	@( $(call install_missing,$(BENCH_PEERS)) ) || for peer in $(BENCH_PEERS); do \
		( $(call install_missing,$$peer) ) || echo "no $$peer here"; done
	@[ -x $(BUILD)/bench-venv/bin/memray ] || { /usr/bin/python3 -m venv $(BUILD)/bench-venv && \
		$(BUILD)/bench-venv/bin/pip install -q memray; } || echo "no memray here"
	$(Q)$(MAKE) --no-print-directory run-bench

run-bench: $(TOOL) $(BENCH)
	$(Q)/usr/bin/python3 -B tests/bench/bench.py $(BUILD) $(BENCH_ARGS)

PREFIX ?= /usr/local

install: all ## install the tool, its schema, profiles, markers and queries (PREFIX=/usr/local)
	install -D $(TOOL) $(DESTDIR)$(PREFIX)/bin/ramtrace-bpf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/ramtrace-bpf $(EMBED) $(MARKER)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/ramtrace-bpf/sql $(QUERIES)

clean: ## remove everything that was made
	rm -rf build

-include $(wildcard $(addsuffix /*.d,$(BUILD) $(BUILD)/tests $(BUILD)/targets $(BUILD)/bench))
.PHONY: all help demo bench install run-bench deps test-deps targets unit exports kernel test run-tests vllm \
	test-vllm bench-vllm clean FORCE
