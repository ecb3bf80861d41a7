# IPC301 waiting: a request waits for a task whose worker was killed; the main thread waits for other clients
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import signal
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Pool, set_start_method


def die(item):
    os.kill(os.getpid(), signal.SIGKILL)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        pool.apply(die, (1,))


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    pool = Pool(2)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    client = socket.create_connection(server.server_address)
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    print("READY", flush=True)
    server.serve_forever()
