#!/bin/sh
# Runs a command, such as go test, with every mount of its tests served over
# io_uring, which has to be switched on for the whole machine meanwhile. Others
# may need that too: internal/bench/switch.go says how they agree.
set -eu
parameter=/sys/module/fuse/parameters/enable_uring
if [ ! -e "$parameter" ]; then
	echo "rings: $(uname -r) has no FUSE over io_uring (Linux 6.14, CONFIG_FUSE_IO_URING), which leaves out: $*"
	exit 0
fi
exec 8<"${parameter%/*}" 9<"$parameter"
flock 8
before=N
if flock -n 9; then before=$(cat "$parameter"); fi
if [ "$before" = Y ]; then flock -u 9; else flock -s 9; fi
flock -u 8
if [ "$before" != Y ] && ! { echo Y >"$parameter"; } 2>/dev/null; then
	echo "rings: only root may set $parameter, which leaves out: $*"
	[ "${CI:-}" != true ]
	exit
fi
trap 'if [ "$before" != Y ] && flock -n 9; then echo N >"$parameter"; fi' EXIT
trap 'exit 130' INT TERM HUP
SAFETMP_TEST_OPTIONS="${SAFETMP_TEST_OPTIONS:+$SAFETMP_TEST_OPTIONS,}transport=uring" "$@" 8<&- 9<&-
