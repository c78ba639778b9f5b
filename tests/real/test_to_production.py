"""The page docs/to-production.md, run as it stands: every command, in order, on real workers.

Left out is the gate on the fixed queue, which takes minutes; CI runs it as a job of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from midpipe.faultinject.servers.server import Server
from tests.real.canary_fleet import Fleet, plan
from tests.real.queues import LEGACY

PAGE = Path(__file__).resolve().parents[2] / "docs" / "to-production.md"
BEFORE: dict[Any, Any] = {**LEGACY, "job_id": "from-before", "status": "completed"}
SETTINGS = """
[tool.midpipe.canary]
plan = "plan.toml"
count = 2
interval = "3s"
step = "0.1s"
[tool.midpipe.audit]
settle = "1s"
allow-writer = true
max-ops = 100000
max-latency = 1000
[tool.midpipe.campaign]
on = "local:1"
shards = 1
[tool.midpipe.fuzz]
time-budget = "60s"
[tool.midpipe.soak]
jobs-total = 500
chaos = "none"
clients = 1
workers = 1
"""
FIRST = {"AI_JOBS_NEW_SCHEMA": "off", "READ_PREFERS_NEW": "on", "READ_FALLBACK_OLD": "on"}


def lines_of(page: str) -> Iterator[str]:
    """Yield the lines of all blocks of commands."""
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL):
        yield from block.splitlines()


@pytest.fixture
def fleet(server: Server, tmp_path: Path) -> Iterator[Fleet]:
    client = redis.Redis(unix_socket_path=server.address.path)
    client.flushall()
    client.hset("ai:jobs:from-before", mapping=BEFORE)
    client.close()
    made = Fleet(server, tmp_path)
    yield made
    made.close()


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_every_command_of_the_page_does_what_the_page_says(
    fleet: Fleet, server: Server, tmp_path: Path
) -> None:
    fleet.worker("old-1", "old", **FIRST)
    fleet.worker("new-1", "new", **FIRST)
    fleet.watch()
    plan(tmp_path, slower=1000.0)
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    programs = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "REDIS": f"unix://{server.address.path}",
        "PROMETHEUS": fleet.url,
        "REVIEWED": "midpipe.scenarios.flaws.as_reviewed:SimpleQueue",
        "FIXED": "midpipe.reference:Queue",
    }
    before = FIRST
    ran = []
    for line in lines_of(PAGE.read_text(encoding="utf-8")):
        if line.startswith("# workers: "):
            settings = dict(pair.split("=") for pair in line.removeprefix("# workers: ").split())
            fleet.restart("old-1", before)
            fleet.restart("new-1", {**FIRST, **settings})
            before = {**FIRST, **settings}
            continue
        if line.startswith('midpipe gate --subject "$FIXED"'):
            continue
        code = re.search(r"# exits with (\d)", line)
        run = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == int(code[1] if code else 0), f"{line}\n{run.stdout}{run.stderr}"
        ran.append(line)
    assert len(ran) > 12
