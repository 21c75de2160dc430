#!/bin/sh
# What `make bench` runs, in the folder of the project: builds what is measured,
# and measures it. Arguments go to the benchmark program.
# BENCH: quick, full or huge. BASE: a commit to compare with. MEMFS_LL: libfuse's
# example memfs_ll. DOC: 1 writes docs/performance.*, as every full run does, 0 does
# not.
set -eu

go=${GO:-go}
scale=${BENCH:-full}
if [ "$scale" = full ]; then : "${DOC:=1}"; fi
out=bin/bench
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
mkdir -p "$out"

"$go" build -o "$out/bench" ./integration/bench
"$go" build -o "$out/memfs" github.com/hanwen/go-fuse/v2/example/memfs
set -- -scale "$scale" -safetmp bin/safetmp -memfs "$out/memfs" -memfs-ll "${MEMFS_LL:-}" "$@"

if [ -n "${BASE:-}" ]; then
	tree=$(mktemp -d)
	trap 'git worktree remove --force "$tree"' EXIT
	git worktree add -q --detach "$tree" "$BASE"
	(cd "$tree" && "$go" build -trimpath -ldflags '-s -w' -o base ./cmd/safetmp)
	"$out/bench" "$@" -base "$tree/base" -benchstat "$out" -out "$out"
	"$go" run "$benchstat" "base=$out/base.txt" "head=$out/head.txt"
elif [ "${DOC:-0}" = 1 ]; then
	"$out/bench" "$@" -out docs -doc docs/performance.md -commit "$(git describe --always --dirty)"
else
	"$out/bench" "$@" -out "$out" -commit "$(git describe --always --dirty)"
fi
