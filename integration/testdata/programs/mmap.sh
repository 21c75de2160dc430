# Two processes that map one file by its name.
python3 - <<'P'
import mmap, os, subprocess, sys

path = os.environ["TMPDIR"] + "/shared"
with open(path, "wb") as f:
    f.truncate(1 << 20)
child = """
import mmap, sys
with open(sys.argv[1], "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
for line in sys.stdin:
    at = int(line)
    saw = m[at:at+5].decode()
    m[at:at+5] = b"child"
    print(saw, flush=True)
"""
with open(path, "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
peer = subprocess.Popen([sys.executable, "-c", child, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
for at in (0, 4094, 500000, (1 << 20) - 5):
    m[at:at+5] = b"first"
    peer.stdin.write(f"{at}\n"); peer.stdin.flush()
    print(f"child saw at {at}:", peer.stdout.readline().strip())
    print(f"parent sees at {at}:", m[at:at+5].decode())
peer.stdin.close()
print("child ended:", peer.wait())
m.flush()
with open(path, "rb") as f:
    f.seek(500000)
    print("by read:", f.read(5).decode())
fd = os.open(path, os.O_WRONLY)
os.pwrite(fd, b"write", 500000)
print("mapping after pwrite:", m[500000:500005].decode())
os.unlink(path)
print("after unlink:", m[0:5].decode())
P
