# sort with little memory keeps its runs in files, some of them written and
# read by a compressing child.
seq 1 200000 | tac >"$WORK/numbers"
say "sorted" "$(sort -n -S 1M -T "$TMPDIR" "$WORK/numbers" | cksum)"
say "compressed runs" "$(sort -n -S 1M -T "$TMPDIR" --compress-program=gzip "$WORK/numbers" | cksum)"
say "in parallel" "$(sort -n -S 1M --parallel=4 -T "$TMPDIR" "$WORK/numbers" | cksum)"
cp "$WORK/numbers" "$TMPDIR/numbers"
sort -n -o "$TMPDIR/numbers" "$TMPDIR/numbers"
say "in place" "$(cksum <"$TMPDIR/numbers")"
say "merged" "$(sort -n -m -T "$TMPDIR" "$TMPDIR/numbers" "$TMPDIR/numbers" | wc -l)"
rm "$TMPDIR/numbers"
say "left over" "$(ls -A "$TMPDIR" | wc -l)"
