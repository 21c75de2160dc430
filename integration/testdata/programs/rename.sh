# write a temporary file, then rename it over the real one, at the root: a
# reader never misses the file nor sees half of it
echo "version 0 complete" >"$TMPDIR/config"
(
	n=0
	while [ ! -e "$WORK/stop" ]; do
		if ! line=$(cat "$TMPDIR/config"); then echo missing; fi
		case "$line" in "version "*" complete") n=$((n + 1)) ;; *) echo "half: $line" ;; esac
	done
	[ "$n" -gt 0 ] && echo "read"
) >"$WORK/reader" 2>&1 &
for i in $(seq 1 300); do
	echo "version $i complete" >"$TMPDIR/config.tmp.$i"
	mv "$TMPDIR/config.tmp.$i" "$TMPDIR/config"
done
touch "$WORK/stop"
wait
say "reader" "$(sort -u "$WORK/reader" | tr '\n' ' ')"
say "last" "$(cat "$TMPDIR/config")"
say "entries" "$(ls -A "$TMPDIR" | wc -l)"
python3 - <<'P'
import os
path = os.environ["TMPDIR"] + "/state"
for i in range(200):
    fd = os.open(path + ".new", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    os.write(fd, b"state %d" % i)
    os.fsync(fd)
    os.close(fd)
    os.replace(path + ".new", path)
    assert open(path).read() == "state %d" % i
print("replaced:", open(path).read())
print("links:", os.stat(path).st_nlink)
P
