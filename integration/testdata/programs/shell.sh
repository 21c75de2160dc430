# what scripts do with a temporary folder
file=$(mktemp)
say "mktemp" "$([ -f "$file" ] && stat -c '%a %s' "$file")"
dir=$(mktemp -d)
say "mktemp -d" "$([ -d "$dir" ] && stat -c %a "$dir")"
cat <<TEXT >"$dir/here"
here $((1 + 1))
TEXT
say "here document" "$(cat "$dir/here")"
cd "$dir"
say "pwd" "$([ "$(pwd -P)" = "$dir" ] && echo same)"
cd "$TMPDIR"
echo x >relative
say "relative" "$(cat ./relative)"
cp -a "$dir" "$TMPDIR/copy"
say "cp -a" "$(cat "$TMPDIR/copy/here")"
install -m 755 "$dir/here" "$TMPDIR/installed"
say "install -m 755" "$(stat -c %a "$TMPDIR/installed")"
mv "$TMPDIR/installed" "$WORK/out"
say "mv out" "$(cat "$WORK/out")"
mv "$WORK/out" "$TMPDIR/in"
say "mv in" "$(cat "$TMPDIR/in")"
say "link" "$(ln -s here "$dir/link" 2>/dev/null && echo made || echo refused)"
say "glob" "$(echo "$TMPDIR"/rel* | sed "s|$TMPDIR/||")"
touch "$dir/a" "$dir/b"
say "find and delete" "$(find "$dir" -type f -delete && ls -A "$dir" | wc -l)"
say "umask" "$(umask 0; touch "$TMPDIR/open"; stat -c %a "$TMPDIR/open")"
say "chmod" "$(chmod 777 "$TMPDIR/open"; stat -c %a "$TMPDIR/open")"
printf '%s\n' a b c | tee "$TMPDIR/t1" "$TMPDIR/t2" >/dev/null
say "diff" "$(diff "$TMPDIR/t1" "$TMPDIR/t2" && echo same)"
say "process substitution" "$(paste -d+ <(cat "$TMPDIR/t1") <(cat "$TMPDIR/t2") | tr '\n' ' ')"
say "free space" "$(df --output=fstype "$TMPDIR" | tail -1)"
rm -rf "${TMPDIR:?}"/*
say "rm -rf of what is listed" "$(ls -A "$TMPDIR" | wc -l)"
