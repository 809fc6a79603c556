# SPDX-License-Identifier: GPL-2.0-or-later
# Everything that is made lies in build/. V=1 shows commands, SAN=1 builds with sanitizers,
# CC=clang works as well as gcc.

BUILD   ?= build$(if $(SAN),/san)
CC      ?= gcc
CLANG   ?= $(shell command -v clang || command -v clang-14 || echo clang)
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
ARCH    := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
VMLINUX_H ?= vmlinux/vmlinux.h
VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo unknown)

PKGS     = libbpf libelf libdw capstone jansson libcyaml liblzma zlib libcap-ng
CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Werror -Wmissing-prototypes -Wno-unused-parameter
CPPFLAGS += -D_GNU_SOURCE -I$(BUILD) -Iuserspace $(shell pkg-config --cflags $(PKGS))
LDLIBS  += $(shell pkg-config --libs $(PKGS)) -lstdc++ -lpthread
ifdef SAN
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

SRCS  := $(wildcard userspace/*.c)
OBJS  := $(patsubst userspace/%.c,$(BUILD)/%.o,$(SRCS)) $(BUILD)/embedded.o
LIB   := $(BUILD)/libramtrace.a
TOOL  := $(BUILD)/ramtrace-bpf
EMBED := $(wildcard userspace/profiles/*.yaml) $(wildcard userspace/*.json)

UNIT_TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
KERNEL_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/kernel_*.c))

.DELETE_ON_ERROR:
.SUFFIXES:

all: $(TOOL) ## build the tool

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t18

# --- BPF ---------------------------------------------------------------------------------------

BPF_SYS := -idirafter /usr/include/$(shell $(CC) -print-multiarch)

$(BUILD)/ramtrace.bpf.o: bpf/ramtrace.bpf.c $(VMLINUX_H) Makefile | $(BUILD)
	$(call say,BPF,$<)
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v2 -D__TARGET_ARCH_$(ARCH) -Wall -Werror \
		-I$(dir $(VMLINUX_H)) -Ibpf $(BPF_SYS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@

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
$(BUILD)/cli.o $(BUILD)/session.o: $(BUILD)/version.h

$(BUILD)/%.o: userspace/%.c Makefile | $(BUILD)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -std=gnu11 -MMD -MP -c $< -o $@

$(LIB): $(filter-out $(BUILD)/main.o,$(OBJS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(TOOL): $(BUILD)/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

# --- tests --------------------------------------------------------------------------------------

$(BUILD)/tests/%: tests/%.c $(LIB) | $(BUILD)/tests
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -Wno-missing-prototypes -std=gnu11 -MMD -MP \
		-Itests $< $(LIB) $(LDFLAGS) -lcriterion $(LDLIBS) -o $@

unit: $(UNIT_TESTS) ## run the tests that need neither root nor BPF
	$(Q)for t in $(UNIT_TESTS); do $$t --jobs 2 || exit 1; done

clean: ## remove everything that was made
	rm -rf build

-include $(wildcard $(BUILD)/*.d $(BUILD)/tests/*.d)
.PHONY: all help unit clean FORCE
