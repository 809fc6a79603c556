#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job on a real program: a Python server with workers, which nobody prepared, from its first
# instruction to its end. Where BPF cannot run, a recorded run is shown instead.
# usage: demo.sh TOOL TAPE
tool=$1 tape=$2
why=$(mktemp)
trap 'rm -f "$why"' EXIT

if ! "$tool" -q -o /dev/null -- true 2>"$why"; then
	echo "BPF cannot run here ($(sed -n 's/^ramtrace-bpf: error: //p' "$why" | sed '1!d; s/\. .*//')): this is a recorded run instead."
	"$tool" --replay "$tape"
	exit
fi
# not one that a user has put before it, which may be a script that looks for a Python
python=$(PATH=/usr/bin:$PATH command -v python3)
echo "\$ sudo ramtrace-bpf --profile tests/demo/workers.yaml -- python3 tests/demo/workers.py"
"$tool" --profile tests/demo/workers.yaml -- "$python" tests/demo/workers.py
