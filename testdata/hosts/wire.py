# A slow wire: gives each host of hosts.sh an address 10.78.0.I, and hands packets over after SECONDS.
#   wire.py FOLDER SECONDS
import array
import collections
import ctypes
import fcntl
import os
import pathlib
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 1, 0x1000, 0x40000000


def enter(fd):
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def plug_in(pid, address):
    """A TUN device in the network of that process; the descriptor works from anywhere."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    enter(there)
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, array.array("B", struct.pack("16sH22x", b"slow0", IFF_TUN | IFF_NO_PI)))
    subprocess.run(["ip", "addr", "add", address + "/24", "dev", "slow0"], check=True)
    subprocess.run(["ip", "link", "set", "slow0", "up"], check=True)
    enter(here)
    os.close(here)
    os.close(there)
    return device


def main():
    delay = float(sys.argv[2])
    devices = {}
    for file in sorted(pathlib.Path(sys.argv[1]).glob("h[0-9]*")):
        number = int(file.name[1:])
        devices[number] = plug_in(int(file.read_text()), f"10.78.0.{number}")
    print("READY", flush=True)
    under_way = collections.deque()
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        for device in select.select(list(devices.values()), [], [], wait)[0]:
            packet = os.read(device, 65536)
            target = devices.get(packet[19]) if packet[0] >> 4 == 4 else None  # the last byte of an IPv4 address
            if target is not None:
                under_way.append((time.monotonic() + delay, target, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, target, packet = under_way.popleft()
            os.write(target, packet)


main()
