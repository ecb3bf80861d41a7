# healthy: a server with a thread for each client, one that listens to a client which says nothing yet, and an idle pool
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Pool, set_start_method


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(pool.apply(abs, (-1,))).encode())


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    pool = Pool(2)
    pool.map(abs, range(10))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    client = socket.create_connection(server.server_address)
    print("READY", flush=True)
    server.serve_forever()
