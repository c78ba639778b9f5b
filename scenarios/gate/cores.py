"""How many cores this process may use: those it is bound to, less where its control groups allow less time.

A container that may use two cores of sixty-four sees all of them. Its limit is in the files of its control group, or
of one around it: ``cpu.max`` of version 2, ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us`` of version 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available_cores(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> int:
    """Return the number of cores, at least 1; a part of a core does not count.

    Args:
        root: where the control groups are mounted.
        membership: the file that lists the control groups of this process.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    limits = (limit for folder in _folders(root, membership) for limit in _limits_in(folder))
    return max(1, int(min([cores, *limits])))


def _folders(root: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of the process's control groups and of those around them, as far as they exist."""
    try:
        lines = membership.read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        base = root / controllers
        group = base / path.lstrip("/")
        # In a container the path may be that of the host, and the mount begins at the container's own group.
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(base))


def _limits_in(folder: Path) -> Iterator[float]:
    """Yield the limit that a control group sets, in cores."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text("ascii").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text("ascii").strip()
            period = (folder / "cpu.cfs_period_us").read_text("ascii").strip()
        if quota not in ("max", "-1"):
            yield int(quota) / int(period)
    except (OSError, ValueError):
        return
