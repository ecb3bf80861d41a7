# healthy: a service that has not had a command yet, and a player that waits for what it hands on
import ctypes

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
import multiprocessing as mp
import os
import tempfile


def play(tracks):
    for track in iter(tracks.get, None):
        print(track, flush=True)


class Control:
    def __init__(self, path, tracks):
        self.path, self.tracks = path, tracks
        os.mkfifo(path)

    def run(self):
        while True:
            with open(self.path) as commands:
                for line in commands:
                    self.tracks.put(line.strip())


if __name__ == "__main__":
    mp.set_start_method("fork")
    tracks = mp.Queue()
    with tempfile.TemporaryDirectory() as folder:
        control = Control(os.path.join(folder, "control"), tracks)
        mp.Process(target=play, args=(tracks,), daemon=True).start()
        print("READY", flush=True)
        control.run()
