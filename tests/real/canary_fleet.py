"""A fleet of reference workers, a Prometheus that scrapes them, and ``midpipe canary`` run on both.

Needs Debian's package ``prometheus``; without it the tests are skipped, but not in CI.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from midpipe import reference
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.canary.canary import _FOLDER
from midpipe.scenarios.canary.prometheus import Prometheus
from tests.real.commands import ran
from tests.real.test_monitoring import program
from tests.real.waiting import wait_until
from tests.support.children import running
from tests.support.ports import free_port

DUAL = {"AI_JOBS_NEW_SCHEMA": "on", "READ_PREFERS_NEW": "off"}
# Takes a tenth of a second, more or less, in which the server does nothing else.
_LOOP = "for _ = 1, 5000000 do end\n"


def slow_release(folder: Path) -> dict[str, str]:
    """Write a release of the reference whose scripts take long on the server; return the environment that runs it.

    It differs from the reference in a loop at the beginning of the part that all scripts share.
    """
    release = folder / "slow_release"
    assert reference.__file__
    shutil.copytree(Path(reference.__file__).parent, release)
    shared = release / "lua" / "common.lua"
    shared.write_text(_LOOP + shared.read_text())
    return {"RELEASE": release.name, "PYTHONPATH": str(folder)}


class Fleet:
    """Workers, and a Prometheus that scrapes them twice a second: a busy machine answers in that time."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._stack = ExitStack()
        self._targets: list[dict[str, Any]] = []
        self._ports: dict[str, int] = {}
        self._servers: dict[str, Server] = {}
        self.workers: dict[str, subprocess.Popen[str]] = {}
        self.prometheus: subprocess.Popen[str] | None = None
        self.url = ""

    def worker(
        self, name: str, fleet: str, server: Server | None = None, /, **environment: str
    ) -> None:
        """Start a worker, by default on the server that the fleets share."""
        port = self._ports[name] = free_port()
        self._servers[name] = server or self._server
        self._start(name, environment)
        self._targets.append({"targets": [f"127.0.0.1:{port}"], "labels": {"fleet": fleet}})

    def restart(self, name: str, environment: Mapping[str, str]) -> None:
        """End a worker and start it again, with other settings; return once Prometheus has seen that."""
        # As its input ends, the worker ends after the job at hand.
        self.workers[name].communicate(timeout=60)
        instance = f'instance="127.0.0.1:{self._ports[name]}"'
        self.wait_for(f"absent(ai_jobs_phase{{{instance}}})")
        self._start(name, environment)
        self.wait_for(f'sum(ai_jobs_total{{{instance},status="completed"}}) > 20')

    def _start(self, name: str, environment: Mapping[str, str]) -> None:
        words = [sys.executable, "-m", "tests.real.canary_worker"]
        words += [
            f"unix://{self._servers[name].address.path}",
            str(self._ports[name]),
            f"{name}-{time.monotonic_ns()}",
        ]
        self.workers[name] = self._stack.enter_context(
            running(words, stdin=subprocess.PIPE, env={**os.environ, **DUAL, **environment})
        )

    def watch(self, *, has_workers: bool = True, silent: int = 0) -> None:
        """Start Prometheus, and wait until it answers and has scraped every worker but those that export nothing."""
        port = free_port()
        config = {
            "global": {"scrape_interval": "500ms"},
            "scrape_configs": [{"job_name": "jobs", "static_configs": self._targets}],
        }
        (self._folder / "prometheus.yml").write_text(json.dumps(config))
        words = [
            program("prometheus"),
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.prometheus = self._stack.enter_context(running(words, **quiet))
        self.url = f"http://127.0.0.1:{port}"
        self.wait_for("vector(1)")
        if not has_workers:
            return
        workers = len(self._targets)
        self.wait_for(f"sum(up) == {workers}")
        self.wait_for(f"count(ai_jobs_phase == 1) == {workers - silent}")
        self.wait_for('sum(ai_jobs_total{status="completed"}) > 20')

    def wait_for(self, query: str) -> None:
        """Wait until a query has a value."""
        prometheus = Prometheus(self.url)
        wait_until(lambda: bool(prometheus.instant(query, time.time()).values), 60.0)

    def close(self) -> None:
        """End everything."""
        self._stack.close()


def plan(folder: Path, slower: float, on_average: float | None = None) -> str:
    """Write the plan that ships, for seconds instead of days; return its path.

    Args:
        slower: the ratio of latencies at which it fails.
        on_average: the ratio of the means at which it fails; None is the same.
    """
    text = (_FOLDER / "reviewed.toml").read_text()
    bounds = "hold_above = {0}\nfail_above = {1}\n"
    ratios = {"The authors' rule": slower, "A script that": on_average or slower}
    for shipped, quick in (
        ("[5m]", "[4s]"),
        ("at_least = 1000", "at_least = 5"),
        *(
            (
                f'{bounds.format(1.1, 1.2)}why = "{why}',
                f'{bounds.format(ratio, ratio)}least_samples = 10\nwhy = "{why}',
            )
            for why, ratio in ratios.items()
        ),
    ):
        assert shipped in text
        text = text.replace(shipped, quick)
    path = folder / "plan.toml"
    path.write_text(text)
    return str(path)


def words_for(
    fleet: Fleet,
    folder: Path,
    *more: str,
    slower: float = 1.2,
    on_average: float | None = None,
    canary: str = 'fleet="new"',
) -> list[str]:
    """Return a command that judges a canary by two measurements.

    Args:
        more: further options.
        slower, on_average: as for ``plan``.
        canary: the label matcher of the workers to judge.
    """
    words = ["canary", "--prometheus", fleet.url, "--plan", plan(folder, slower, on_average)]
    words += ["--canary", canary, "--baseline", 'fleet="old"', "--step", "0.1"]
    return [*words, "--count", "2", "--interval", "2s", *more]


def judged(
    fleet: Fleet, tmp_path: Path, *more: str, **options: Any
) -> tuple[int, str, dict[str, Any]]:
    """Judge, with the arguments of ``words_for``; return the exit code, the output and the report."""
    words = words_for(fleet, tmp_path, *more, **options)
    code, output, errors = ran(*words, cwd=tmp_path)
    assert errors == ""
    report = json.loads((tmp_path / ".midpipe" / "canary" / "canary.json").read_text())
    return code, output, report


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    """Return the rules of the last measurement that did not pass."""
    last = report["measurements"][-1]["judged"]
    return {each["rule"]: each["outcome"] for each in last if each["outcome"] != "pass"}
