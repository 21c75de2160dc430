# gcc without -pipe: the driver and its children pass files by name.
sources="$WORK/sources"
mkdir "$sources"
for i in 1 2 3 4 5; do
	echo "int part$i(int x) { return x * $i; }" >"$sources/part$i.c"
	echo "int part$i(int);" >>"$sources/parts.h"
done
cat >"$sources/main.c" <<'C'
#include <stdio.h>
#include "parts.h"
int main(void) { printf("sum %d\n", part1(1) + part2(1) + part3(1) + part4(1) + part5(1)); return 0; }
C
gcc -v -o "$WORK/prog" "$sources"/*.c 2>"$WORK/verbose"
say "temporary files were used" "$(grep -c "$TMPDIR/cc" "$WORK/verbose" | sed 's/^[1-9].*/yes/')"
say "program built outside" "$("$WORK/prog")"
gcc -O2 -flto -o "$WORK/lto" "$sources"/*.c
say "with link time optimisation" "$("$WORK/lto")"

cp -r "$sources" "$TMPDIR/build"
cat >"$TMPDIR/build/Makefile" <<'M'
objects = main.o part1.o part2.o part3.o part4.o part5.o
prog: $(objects)
	gcc -g -o $@ $(objects)
%.o: %.c parts.h
	gcc -g -c -o $@ $<
M
make -s -j2 -C "$TMPDIR/build"
say "program built inside" "$("$TMPDIR/build/prog")"
touch "$TMPDIR/build/part3.c"
say "rebuilt after touch" "$(make -C "$TMPDIR/build" --no-print-directory | grep -c 'part3.c')"
say "up to date" "$(make -q -C "$TMPDIR/build" && echo yes)"
echo 'int answer(void) { return 42; }' >"$TMPDIR/build/lib.c"
gcc -shared -fPIC -o "$TMPDIR/build/libanswer.so" "$TMPDIR/build/lib.c"
echo '#include <stdio.h>
int answer(void);
int main(void) { printf("%d\n", answer()); }' | gcc -x c - -L "$TMPDIR/build" -lanswer -Wl,-rpath,"$TMPDIR/build" -o "$TMPDIR/uses"
say "shared library" "$("$TMPDIR/uses")"
