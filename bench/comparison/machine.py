"""The machine: processes pinned to a core, what they used of it, and whether somebody else did."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")

# The contender has one core for itself; the load and everything else has the other.
CONTENDER, OTHERS = 0, 1

# More than that of a round's time taken by somebody else, and the round is marked.
DISTURBED = 0.02

# Ports that a program of ours has, or is about to have.
GIVEN = set()


def free_port():
    """One that no connection of the load can be given: below those that the system hands out."""
    for port in range(20000, 32000):
        with socket.socket() as listener:
            if port not in GIVEN and listener.connect_ex(("127.0.0.1", port)) != 0:
                GIVEN.add(port)
                return port
    sys.exit("no port is free")


class Machine:
    """Starts programs, and ends those it has started."""

    def __init__(self, folder):
        self.folder, self.children = pathlib.Path(folder), []

    def start(self, command, cores, name):
        log = open(self.folder / f"{name}.log", "ab")
        command = ["taskset", "-c", ",".join(map(str, cores)), *map(str, command)]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        child.log = pathlib.Path(log.name)
        self.children.append(child)
        return child

    def wait_for(self, port, child):
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if child.poll() is not None:
                break
            time.sleep(0.05)
        sys.exit(f"nothing listens on port {port}:\n{child.log.read_text(errors='replace')[-2000:]}")

    def stop(self, children=None):
        children = self.children if children is None else children
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.children = [child for child in self.children if child not in children]


def family(pid):
    """A process and its children."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid, *map(int, listed)]


def cpu_seconds(children):
    """User and system seconds of these and of whatever they have started, so far."""
    user = system = 0
    for pid in (each for child in children for each in family(child.pid)):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        user, system = user + int(fields[11]), system + int(fields[12])
    return user / TICKS, system / TICKS


def resident(children):
    """Bytes in memory."""
    total = 0
    for pid in (each for child in children for each in family(child.pid)):
        total += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE")


class Round:
    """What happened on the machine while something was measured."""

    def __enter__(self):
        self.began, self.stolen = time.monotonic(), self._stolen()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.began
        # Time that the machine below gave to others.
        self.disturbed = (self._stolen() - self.stolen) / max(self.seconds, 0.001) > DISTURBED

    @staticmethod
    def _stolen():
        fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
        return int(fields[8]) / TICKS
