#!/bin/sh
# The main job on real input: a private TMPDIR in which a program is compiled and
# run. Usage: demo.sh PATH_TO_SAFETMP
set -eu
safetmp=$(realpath "$1")
cd / # the working directory is left uncovered

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n# %s\n' "$*"; }

say "a workload that knows nothing of safetmp, in a TMPDIR of its own"
exec "$safetmp" run --report -- sh -c '
set -u
say() { printf "\n# %s\n" "$*"; }
cd "$TMPDIR"
echo "TMPDIR=$TMPDIR, on $(grep -F " $TMPDIR " /proc/mounts | tail -1 | cut -d" " -f3)"

say "compile and run a program, through a predictable name in TMPDIR"
cat >job.c <<"C"
#include <stdio.h>
int main(void) { puts("hello from a program that was compiled and run in here"); return 0; }
C
if command -v cc >/dev/null 2>&1; then
	cc -save-temps -o job job.c && ./job
elif command -v go >/dev/null 2>&1; then
	mkdir src && printf "package main\nfunc main() { println(\"hello from a program that was compiled and run in here\") }\n" >src/main.go
	GOTMPDIR=$TMPDIR go run src/main.go
else
	printf "#!/bin/sh\necho hello from a script that was run in here\n" >job && chmod +x job && ./job
fi

say "what a listing shows: nobody can guess these names"
ls -l
say "what the program sees under the name it asked for"
ls -l job.c; head -1 job.c

say "a symbolic link"
ln -s /etc/passwd job.log || true
say "a mode for everybody"
chmod 0777 job.c && stat -c "asked for 0777, got %a" job.c
say "a name that would hurt a terminal"
touch "$(printf "bad\033[31mname")" || true

say "the end: everything is overwritten"
'
