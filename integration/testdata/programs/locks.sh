# flock and fcntl locks between processes that count together
echo 0 >"$TMPDIR/count"
for worker in 1 2 3 4; do
	(for i in $(seq 1 25); do
		flock "$TMPDIR/lock" sh -c 'read -r n <"$0"; echo $((n + 1)) >"$0"' "$TMPDIR/count"
	done) &
done
wait
say "flock" "$(cat "$TMPDIR/count")"
exec 9>"$TMPDIR/held"
flock 9
say "held" "$(flock -n "$TMPDIR/held" true && echo got || echo refused)"
flock -u 9
say "released" "$(flock -n "$TMPDIR/held" true && echo got || echo refused)"
python3 - <<'P'
import fcntl, os, subprocess, sys
path = os.environ["TMPDIR"] + "/count"
open(path, "w").write("0")
worker = """
import fcntl, sys
for _ in range(50):
    with open(sys.argv[1], "r+") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        n = int(f.read())
        f.seek(0)
        f.write(str(n + 1))
        f.flush()
        fcntl.lockf(f, fcntl.LOCK_UN)
"""
workers = [subprocess.Popen([sys.executable, "-c", worker, path]) for _ in range(4)]
print("workers:", [w.wait() for w in workers])
print("fcntl:", open(path).read())
P
