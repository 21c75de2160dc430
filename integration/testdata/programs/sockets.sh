# Unix sockets bound at the root by the name asked for, and reached by a child.
python3 - <<'P'
import multiprocessing.connection, os, socket, stat, subprocess, sys, threading

path = os.environ["TMPDIR"] + "/server.sock"
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(5)
print("mode:", oct(os.stat(path).st_mode & 0o7777))
print("is a socket:", stat.S_ISSOCK(os.stat(path).st_mode))
client = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"hello")
print(s.recv(100).decode())
"""
child = subprocess.Popen([sys.executable, "-c", client, path], stdout=subprocess.PIPE, text=True)
peer, _ = server.accept()
print("received:", peer.recv(100).decode())
peer.sendall(b"answer")
print("child got:", child.communicate()[0].strip())
print("peer name:", peer.getsockname() == path)

datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
datagrams.bind(path + ".dgram")
subprocess.run([sys.executable, "-c", "import socket,sys;socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM).sendto(b'packet',sys.argv[1])", path + ".dgram"], check=True)
print("datagram:", datagrams.recv(100).decode())

os.rename(path, path + ".moved")
late = socket.socket(socket.AF_UNIX)
late.connect(path + ".moved")
print("after rename: connected")
os.unlink(path + ".moved")
try:
    socket.socket(socket.AF_UNIX).connect(path + ".moved")
except OSError as e:
    print("after unlink:", e.strerror)
deep = os.environ["TMPDIR"] + "/dir"
os.mkdir(deep)
with multiprocessing.connection.Listener(deep + "/listener") as listener:
    threading.Thread(target=lambda: multiprocessing.connection.Client(deep + "/listener").send("deep")).start()
    print("below:", listener.accept().recv())
P
