# One rank of a parallel program; NAME=VALUE in argv are what its launcher would put into its environment.
import os
import socket
import sys
import time

if any("=" in word for word in sys.argv):
    os.environ.update(word.split("=") for word in sys.argv if "=" in word)
    os.execv(sys.executable, [sys.executable] + [word for word in sys.argv if "=" not in word])


def compute():
    time.sleep(1e6)


def barrier(listener):
    print("READY", flush=True)
    listener.accept()


if sys.argv[1] == "late":
    print("READY", flush=True)
    compute()
else:
    barrier(socket.create_server(("127.0.0.1", 0)))
