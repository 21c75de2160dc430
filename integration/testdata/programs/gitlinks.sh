# A git checkout with symbolic links: beside, below, upwards within the tree.
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
repo="$TMPDIR/repo"
git init -q -b main "$repo"
cd "$repo"
say "symlinks" "$(git config core.symlinks || echo unset)"
mkdir -p dir/deep
echo content >dir/file
ln -s dir/file beside
ln -s deep dir/below
ln -s ../../beside dir/deep/upwards
ln -s nowhere dangling
git add -A
git commit -q -m links
say "tree" "$(git rev-parse 'HEAD^{tree}')"
git clone -q --no-local "$repo" "$TMPDIR/clone"
cd "$TMPDIR/clone"
say "clone is clean" "$(git status --porcelain | wc -l)"
say "followed" "$(cat dir/below/upwards)"
git checkout -q --orphan empty
git rm -rqf .
git checkout -q main
say "checked out again" "$(cat beside) $(readlink dangling)"
git worktree add -q "$TMPDIR/worktree" HEAD 2>/dev/null
say "worktree" "$(cat "$TMPDIR/worktree/dir/deep/upwards")"
cp -a "$repo" "$TMPDIR/copy"
say "copy" "$(cat "$TMPDIR/copy/dir/below/upwards")"
tar -C "$repo" -cf - . | { mkdir "$TMPDIR/untar"; tar -C "$TMPDIR/untar" -xf -; }
say "tar" "$(cat "$TMPDIR/untar/dir/below/upwards")"
ln -s ../clone/beside outside 2>/dev/null && say "outside" "made" || say "outside" "refused"
ln -s "$repo/beside" absolute 2>/dev/null && say "absolute" "made" || say "absolute" "refused"
