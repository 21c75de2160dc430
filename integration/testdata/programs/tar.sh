# a tree into the mount and out again
tree="$WORK/tree"
mkdir -p "$tree/bin" "$tree/deep/er/still" "$tree/empty"
echo data >"$tree/data"
printf '#!/bin/sh\necho ran\n' >"$tree/bin/tool"
chmod 755 "$tree/bin/tool"
chmod 640 "$tree/data"
echo deep >"$tree/deep/er/still/file with space"
ln "$tree/data" "$tree/deep/linked"
head -c 300000 /dev/zero | tr '\0' 'z' >"$tree/large"
truncate -s 5M "$tree/sparse"
touch -d '2001-02-03 04:05:06.789' "$tree/large"
name=$(printf 'n%.0s' $(seq 1 200))
echo long >"$tree/$name"
sums() { (cd "$1" && find . -type f | LC_ALL=C sort | xargs -d '\n' cksum | cksum); }

tar -C "$tree" -c -f "$TMPDIR/in.tar" .
mkdir "$TMPDIR/out"
tar -C "$TMPDIR/out" -x -p -f "$TMPDIR/in.tar" 2>"$WORK/errors"
say "messages" "$(wc -l <"$WORK/errors")"
say "same content" "$([ "$(sums "$tree")" = "$(sums "$TMPDIR/out")" ] && echo yes)"
say "tool runs" "$("$TMPDIR/out/bin/tool")"
say "mode of the tool" "$(stat -c %a "$TMPDIR/out/bin/tool")"
say "mode of data" "$(stat -c %a "$TMPDIR/out/data")"
say "mode of a directory" "$(stat -c %a "$TMPDIR/out/deep")"
say "hard link" "$([ "$TMPDIR/out/data" -ef "$TMPDIR/out/deep/linked" ] && echo yes)"
say "time" "$(stat -c %y "$TMPDIR/out/large" | cut -c1-23)"
tar -C "$TMPDIR" -c out | tar -C "$WORK" -x
say "back again" "$([ "$(sums "$tree")" = "$(sums "$WORK/out")" ] && echo yes)"
tar -C "$tree" -S -c -f "$TMPDIR/sparse.tar" sparse
mkdir "$TMPDIR/sparse"
tar -C "$TMPDIR/sparse" -S -x -f "$TMPDIR/sparse.tar"
say "sparse blocks" "$(stat -c %b "$TMPDIR/sparse/sparse")"
say "sparse size" "$(stat -c %s "$TMPDIR/sparse/sparse")"
say "modes compare" "$(tar -d -C "$TMPDIR/out" -f "$TMPDIR/in.tar" | grep -c Mode || true)"
gzip -k "$TMPDIR/in.tar"
say "gzip" "$(zcat "$TMPDIR/in.tar.gz" | tar t | wc -l)"
