#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job on a real program: attaches to a running Redis that nobody prepared, while it fills,
# saves itself in a child and is emptied. Where BPF cannot run, a recorded run is shown instead.
# usage: demo.sh TOOL TAPE
tool=$1 tape=$2
dir=$(mktemp -d) server=
cleanup() {
	[ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; }
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if ! "$tool" -q -o /dev/null -- true 2>"$dir/why"; then
	echo "BPF cannot run here ($(sed -n 's/^ramtrace-bpf: error: //p' "$dir/why" | sed '1!d; s/\. .*//')): this is a recorded run instead."
	"$tool" --replay "$tape"
	exit
fi

redis-server --port 0 --unixsocket "$dir/socket" --dir "$dir" --save '' \
	--enable-debug-command local --daemonize no >"$dir/redis.log" 2>&1 &
server=$!
cli() { redis-cli -s "$dir/socket" "$@" >/dev/null; }
until cli ping 2>/dev/null; do
	kill -0 "$server" 2>/dev/null || { cat "$dir/redis.log"; exit 1; }
	sleep 0.1
done

echo "\$ sudo ramtrace-bpf --pid $server"
"$tool" --pid "$server" 2>"$dir/messages" &
tracer=$!
until grep -q 'Ctrl-C ends it' "$dir/messages"; do
	kill -0 "$tracer" 2>/dev/null || { cat "$dir/messages"; exit 1; }
	sleep 0.1
done
cat "$dir/messages"
cli debug populate 500000 key 100
cli bgsave
until redis-cli -s "$dir/socket" info persistence | grep -q 'rdb_bgsave_in_progress:0'; do
	sleep 0.1
done
cli flushall
sleep 0.3
kill -INT "$tracer"
wait "$tracer"
