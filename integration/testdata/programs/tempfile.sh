# Python's tempfile family.
python3 - <<'P'
import os, shutil, stat, subprocess, sys, tempfile

def say(key, value):
    print(f"{key}: {value}")

say("gettempdir", tempfile.gettempdir() == os.environ["TMPDIR"])
with tempfile.NamedTemporaryFile(mode="w+") as f:
    f.write("named"); f.flush()
    say("by name", open(f.name).read())
    say("by name in a child", subprocess.run(["cat", f.name], capture_output=True, text=True).stdout)
    say("mode of a named file", oct(os.stat(f.name).st_mode & 0o7777))
    name = f.name
say("gone", not os.path.exists(name))

with tempfile.TemporaryFile() as f:
    f.write(b"anonymous"); f.seek(0)
    say("anonymous", f.read())
    say("links of an anonymous file", os.fstat(f.fileno()).st_nlink)

d = tempfile.mkdtemp(prefix="pre", suffix="suf")
say("mode of mkdtemp", oct(os.stat(d).st_mode & 0o7777))
for i in range(20):
    os.makedirs(f"{d}/a{i}/b/c")
    open(f"{d}/a{i}/b/file", "w").write("x" * i)
say("listed below", len(os.listdir(d)))
say("walked", sum(len(files) for _, _, files in os.walk(d)))
shutil.copytree(d, d + ".copy")
say("copied", sum(len(files) for _, _, files in os.walk(d + ".copy")))
shutil.move(d + ".copy", d + "/moved")
say("moved", os.path.exists(d + "/moved/a3/b/file"))
shutil.rmtree(d)
say("rmtree", not os.path.exists(d))

fd, path = tempfile.mkstemp(dir=os.environ["TMPDIR"])
os.write(fd, b"stemp"); os.close(fd)
os.rename(path, path + ".final")
say("renamed", open(path + ".final").read())
os.unlink(path + ".final")
with tempfile.SpooledTemporaryFile(max_size=10) as f:
    f.write(b"y" * 100); f.seek(0)
    say("spooled", len(f.read()))
with tempfile.TemporaryDirectory() as d:
    open(d + "/f", "w").close()
    say("temporary directory", os.listdir(d))
names = {tempfile.mkstemp()[1] for _ in range(100)}
say("a hundred", len(names))
say("found in the listing", sum(os.path.basename(n) in os.listdir(tempfile.gettempdir()) for n in names))
P
