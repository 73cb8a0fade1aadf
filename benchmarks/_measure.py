"""Run a command and measure it: wall and CPU seconds, and the peak memory of all its processes together."""

import os
import resource
import subprocess
import threading
import time
from pathlib import Path


def timed(command: list[str], log: Path, **options) -> dict[str, float]:
    """Run `command`, its output into `log`.

    Returns
    -------
    dict
        ``wall`` and ``cpu`` in seconds, ``peak`` in GB: the largest sum of the proportional set sizes of the command
        and all it started, looked at five times a second.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with open(log, "w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **options)
        peak = _Peak(process.pid)
        peak.start()
        status = process.wait()
    wall = time.monotonic() - started
    peak.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        text = log.read_text(errors="replace").replace("\r", "\n")
        raise SystemExit(f"{command[0]} failed; the end of {log}:\n{text[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "peak": peak.kilobytes / 2**20}


class _Peak(threading.Thread):
    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.kilobytes, self.done = pid, 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.2):
            self.kilobytes = max(self.kilobytes, sum(map(_proportional, _family(self.pid))))

    def stop(self) -> None:
        self.done.set()
        self.join()


def _family(pid: int) -> list[int]:
    """A process and everything it started."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found


def _proportional(pid: int) -> int:
    """Memory of a process in kB, shared pages divided among those who share them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
