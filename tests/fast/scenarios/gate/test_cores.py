"""The number of cores that midpipe uses by default: within what the machine and its control groups allow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from midpipe.scenarios.gate.cores import available_cores

HAS = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def cores_with(tmp_path: Path, membership: str, files: dict[str, str]) -> int:
    for name, text in files.items():
        file = tmp_path / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "membership").write_text(membership)
    return available_cores(tmp_path / "cgroup", tmp_path / "membership")


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "100000 100000\n"}),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}),
        ("0::/of/the/host\n", {"cpu.max": "50000 100000\n"}),
        (
            "4:cpu,cpuacct:/a\n3:memory:/a\n",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "100000\n",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
        ),
    ],
    ids=["own group", "group around it", "seen from a container", "version 1"],
)
def test_the_limit_of_a_control_group_counts(
    tmp_path: Path, membership: str, files: dict[str, str]
) -> None:
    assert cores_with(tmp_path, membership, files) == 1


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}),
        ("0::/\n", {"cpu.max": "6400000 100000\n"}),
        ("0::/\n", {"cpu.max": "unreadable\n"}),
        ("", {}),
    ],
    ids=["no limit", "more than there are", "malformed", "no control group"],
)
def test_without_a_lower_limit_every_core_counts(
    tmp_path: Path, membership: str, files: dict[str, str]
) -> None:
    assert cores_with(tmp_path, membership, files) == HAS
