# editors: write beside, keep a backup, rename over
printf 'one\ntwo\nthree\n' >"$TMPDIR/text"
vim -es -u NONE -N -c 'set backup writebackup backupskip= backupdir=.' -c '%s/two/zwei/' -c 'wq' "$TMPDIR/text" </dev/null >/dev/null 2>&1
say "vim" "$(tr '\n' ' ' <"$TMPDIR/text")"
say "vim's backup" "$(tr '\n' ' ' <"$TMPDIR/text~")"
sed -i 's/three/drei/' "$TMPDIR/text"
say "sed -i" "$(tr '\n' ' ' <"$TMPDIR/text")"
sed -i.orig 's/one/eins/' "$TMPDIR/text"
say "sed's backup" "$(head -1 "$TMPDIR/text.orig") $(head -1 "$TMPDIR/text")"
perl -pi -e 's/eins/uno/' "$TMPDIR/text"
say "perl -pi" "$(head -1 "$TMPDIR/text")"
mkdir "$TMPDIR/dir"
cp "$TMPDIR/text" "$TMPDIR/dir/text"
vim -es -u NONE -N -c '%!tac' -c 'wq' "$TMPDIR/dir/text" </dev/null >/dev/null 2>&1
say "vim's filter" "$(tr '\n' ' ' <"$TMPDIR/dir/text")"
say "swap files" "$(find "$TMPDIR" -name '*.sw?' | wc -l)"
