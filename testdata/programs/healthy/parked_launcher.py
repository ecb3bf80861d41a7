# healthy: the main thread is parked while a daemon that it started, and that has left it, serves
import os
import socket
import threading

if os.fork() == 0:
    if os.fork() == 0:
        server = socket.socket()
        server.bind(("127.0.0.1", 0))
        server.listen()
        print("READY", flush=True)
        while True:
            server.accept()
    os._exit(0)
os.wait()
threading.Event().wait()
