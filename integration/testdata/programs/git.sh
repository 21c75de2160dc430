# git init, commit, clone, gc and checkout inside the mount.
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
repo="$TMPDIR/repo"
git init -q -b main "$repo"
cd "$repo"
for i in $(seq 1 150); do
	mkdir -p "dir$((i % 10))"
	echo "content $i" >"dir$((i % 10))/file$i"
done
printf '#!/bin/sh\necho script\n' >run.sh
chmod 755 run.sh
git add -A
git commit -q -m first
say "tree" "$(git rev-parse 'HEAD^{tree}')"
say "symlinks" "$(git config core.symlinks || echo unset)"
say "file modes" "$(git config core.filemode)"
git clone -q --no-local "$repo" "$TMPDIR/clone"
cd "$TMPDIR/clone"
say "clone is clean" "$(git status --porcelain | wc -l)"
say "script" "$(./run.sh)"
git checkout -q -b topic
for i in 1 2 3 4 5; do
	echo "more $i" >>dir1/file1
	git commit -q -am "change $i"
done
git rebase -q --onto main topic~3 topic >/dev/null 2>&1 || git rebase --abort
git checkout -q main
git merge -q topic~5 -m merged
git gc -q --prune=now
say "loose objects after gc" "$(git count-objects | cut -d' ' -f1)"
say "packs" "$(ls .git/objects/pack/*.pack | wc -l)"
say "fsck" "$(git fsck --full 2>&1 | grep -vc dangling || true)"
git clone -q "$TMPDIR/clone" "$TMPDIR/local"
say "local clone" "$(git -C "$TMPDIR/local" rev-parse 'HEAD^{tree}')"
git worktree add -q "$TMPDIR/tree" HEAD
say "worktree" "$(ls "$TMPDIR/tree" | wc -l)"
git archive HEAD | tar t | wc -l | { read -r n; say "archived" "$n"; }
