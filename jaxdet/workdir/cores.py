"""Tells how many cores this process may use: in a container, fewer than its machine has."""

import os
from pathlib import Path


def usable_cores(quota: str = "/sys/fs/cgroup/cpu.max") -> int:
    """Returns the number by the affinity of the process and its container's quota (cgroup v2)."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        time, period = map(int, Path(quota).read_text().split())
    except (OSError, ValueError):  # no such system, or "max"
        return cores
    return max(1, min(cores, round(time / period)))
