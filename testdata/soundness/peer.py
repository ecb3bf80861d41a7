"""One process of a random program on several hosts; see hosts, which starts it.

    peer.py SEED NUMBER FOLDER NETWORK

Its tasks, threads and forked children, share TCP connections with the other processes. Each does something with them, then
makes one blocking call and writes down what it is; if that call returns, it writes "moved". Who is free, and who has moved,
does all that it can for the others as soon as FOLDER/phase2 is there.
"""
import os
import pathlib
import random
import select
import socket
import sys
import threading
import time

HOSTS = 3


class Cast:
    """Who is in the play, by the seed alone."""

    def __init__(self, seed):
        dice = random.Random(seed)
        self.count = dice.randint(2, 5)
        self.hosts = [dice.randint(1, HOSTS) for _ in range(self.count)]
        self.hosts[1] = self.hosts[0] % HOSTS + 1  # two at least
        self.port = 10000 + seed * 8 % 20000
        # (who connects, to whom): at least one for each
        self.pairs = [(i, dice.randrange(i)) for i in range(1, self.count)]
        self.pairs += [(i, dice.randrange(i)) for i in range(1, self.count) if dice.random() < 0.4]
        self.free_percent = dice.choice([0, 0, 0, 15])


class Task:
    def __init__(self, folder, name, dice, connections):
        self.folder, self.name, self.dice, self.connections = folder, name, dice, connections

    def note(self, state, call):
        written = self.folder / f"{self.name}.new"
        written.write_text(f"{os.getpid()} {threading.get_native_id()} {state} {call}\n")
        written.rename(self.folder / f"{self.name}.task")

    def take(self):
        """Before it blocks: what it sends is there, or under way, when somebody looks."""
        for connection in list(self.connections):
            roll = self.dice.random()
            if roll < 0.1:
                try:
                    connection.send(b"x" * self.dice.choice([1, 300]), socket.MSG_DONTWAIT)
                except OSError:
                    pass  # it is full, or its other end has gone
            elif roll < 0.14:
                try:
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # its other end has gone
            elif roll < 0.25:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def block(self):
        call = self.dice.choice(["recv", "recv", "recv", "sendall", "poll", "select"])
        connection = self.dice.choice(self.connections)
        some = self.dice.sample(self.connections, self.dice.randint(1, len(self.connections)))
        self.note("blocked", call)
        try:
            if call == "recv":
                connection.recv(1)
            elif call == "sendall":
                connection.sendall(b"y" * (16 << 20))
            elif call == "poll":
                poll = select.poll()
                for one in some:
                    poll.register(one, select.POLLIN)
                poll.poll()
            else:
                select.select(some, [], [])
        except OSError:
            pass  # it has returned, all the same
        self.note("moved", call)

    def be_free(self):
        while not (self.folder / "phase2").exists():
            time.sleep(0.02)
        for _ in range(3):
            for connection in self.connections:
                try:
                    while connection.recv(1 << 20, socket.MSG_DONTWAIT):
                        pass
                except OSError:
                    pass  # it is empty, or its other end has gone
                try:
                    connection.send(b"z" * 100, socket.MSG_DONTWAIT)
                except OSError:
                    pass  # it is full, or its other end has gone
            time.sleep(0.1)
        for connection in self.connections:
            connection.close()

    def play(self, free_percent):
        self.take()
        if self.dice.random() * 100 < free_percent or not self.connections:
            self.note("free", "sleep")
        else:
            for _ in range(5):  # a call that returned at once was no wait
                if not (self.folder / "phase2").exists():
                    self.block()
        self.be_free()


def connect_all(cast, number, network):
    listener = socket.create_server(("", cast.port + number), backlog=16)
    connections = []
    for who, whom in cast.pairs:
        if who != number:
            continue
        for _ in range(200):
            try:
                connections.append(socket.create_connection((f"{network}.{cast.hosts[whom]}", cast.port + whom)))
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
    for _ in range(sum(whom == number for _, whom in cast.pairs)):
        connections.append(listener.accept()[0])
    listener.close()
    return connections


def main():
    seed, number, folder, network = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4]
    cast, dice = Cast(seed), random.Random(seed * 100 + number)
    connections = connect_all(cast, number, network)
    (folder / f"{number}.connected").touch()
    while len(list(folder.glob("*.connected"))) < cast.count:
        time.sleep(0.01)
    if dice.random() < 0.25:
        child = dice.getrandbits(32)
        if os.fork() == 0:
            dice = random.Random(child)
            kept = [c for c in connections if dice.random() < 0.6]
            for connection in connections:
                if connection not in kept:
                    connection.close()
            Task(folder, f"{number}.child", dice, kept).play(cast.free_percent)
            os._exit(0)
    threads = []
    if dice.random() < 0.3:
        second = Task(folder, f"{number}.second", random.Random(dice.getrandbits(32)), list(connections))
        threads.append(threading.Thread(target=second.play, args=(cast.free_percent,)))
        threads[0].start()
    Task(folder, f"{number}.main", dice, list(connections)).play(cast.free_percent)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
