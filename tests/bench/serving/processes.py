"""What a process and all that it has started take, as Linux counts it."""

import os
from pathlib import Path


def tree(process):
    """The process and its descendants."""
    found, waiting = [], [process]
    while waiting:
        process = waiting.pop()
        found.append(process)
        try:
            for thread in Path(f"/proc/{process}/task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except OSError:
            pass
    return found


def cpu_seconds(process):
    """CPU time of the tree, user and kernel, with that of children that have ended."""
    ticks = 0
    for each in tree(process):
        try:
            # utime, stime, cutime, cstime: counted from behind the name, which may have spaces.
            ticks += sum(map(int, Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()[11:15]))
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(process):
    """Bytes of the tree: resident, and with shared pages divided among those who share them."""
    resident = proportional = 0
    for each in tree(process):
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            resident += 1024 * int(line.split()[1]) if line.startswith("Rss:") else 0
            proportional += 1024 * int(line.split()[1]) if line.startswith("Pss:") else 0
    return resident, proportional
