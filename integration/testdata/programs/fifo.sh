# FIFOs between processes, as mktemp -u and mkfifo are used in scripts
pipe=$(mktemp -u "$TMPDIR/pipe.XXXXXX")
mkfifo "$pipe"
say "mode" "$(stat -c %a "$pipe")"
(echo one; echo two) >"$pipe" &
say "read" "$(tr '\n' ' ' <"$pipe")"
wait
mkfifo -m 666 "$TMPDIR/back"
cat <"$pipe" >"$TMPDIR/back" &
echo "there and back" >"$pipe" &
say "through two" "$(cat "$TMPDIR/back")"
wait
seq 1 100000 >"$pipe" &
say "much" "$(cksum <"$pipe")"
wait
mv "$pipe" "$TMPDIR/moved"
echo "moved" >"$TMPDIR/moved" &
say "renamed" "$(cat "$TMPDIR/moved")"
wait
rm "$TMPDIR/moved" "$TMPDIR/back"
say "removed" "$(ls -A "$TMPDIR" | wc -l)"
