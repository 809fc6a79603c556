#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs Criterion programs and files of Python tests one after another, adds up what they say, and names what was skipped.
# Exit status 1 if anything failed, or if a skip is not allowed (RAMTRACE_REQUIRE_KERNEL, CI).
[ "$CI" = true ] && export RAMTRACE_REQUIRE_KERNEL=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0 broken=0
for t in "$@"; do
	# Tests of the kernel share probes and processors: one at a time.
	case ${t##*/} in kernel_*) jobs=1 ;; *) jobs=0 ;; esac
	printf '== %s\n' "${t##*/}"
	case $t in
	*.py) "$EXPORT_PYTHON" -B tests/exports/run.py "$t" >"$log" 2>&1 || broken=1 ;;
	*) "$t" --jobs "$jobs" --verbose=1 --ascii >"$log" 2>&1 || broken=1 ;;
	esac
	grep -Ev '^\[(----\] *$|----\] Criterion v|RUN |PASS)' "$log" |
		grep -E 'FAIL|CRASH|SKIP|\[----\]|Synthesis|rror' | cut -c1-2000
	line=$(grep 'Synthesis:' "$log" | sed 's/\x1b\[[0-9;]*m//g')
	[ -n "$line" ] || { cat "$log"; failed=$((failed + 1)); continue; }
	counts=$(printf '%s\n' "$line" | sed 's/.*Tested: \([0-9]*\).*Passing: \([0-9]*\).*Failing: \([0-9]*\).*Crashing: \([0-9]*\).*/\1 \2 \3 \4/')
	n=${counts#* } passed=$((passed + ${n%% *})) n=${n#* } failed=$((failed + ${n% *} + ${n#* }))
	skipped=$((skipped + $(grep -c '^\[SKIP' "$log")))
done
[ "$broken" = 0 ] || [ "$failed" != 0 ] || failed=1
if [ "$skipped" != 0 ] && [ -n "$RAMTRACE_REQUIRE_KERNEL" ]; then
	echo "skipped tests are failures here"
	failed=$((failed + skipped))
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
