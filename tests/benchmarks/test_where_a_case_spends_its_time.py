"""Where a case's processor time goes: by process, and within midpipe's own process by part and by step.

Prints a table for a sweep and one for orders; the figures stand in ``extra_info`` as well. Processor time and not the
wall clock, because other work on the machine changes it least. midpipe's own process is sampled a thousand times per
second of its processor time; the shares of its parts are as exact as that.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

import psutil
import pytest

from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.case.recovery_client import RECOVERY, STANDBY
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Task, Worker
from midpipe.scenarios.model.messages import CaseEnded, Sampling
from midpipe.scenarios.model.spec import SubjectSpec

BOUND_MS = 5_000.0
SAMPLED_EVERY_S = 0.001
WARM_UP_CASES = 20
SWEEP = SweepTask(SubjectSpec(), "enqueue", shard=(0, 1), max_faults=2, latency_bound_ms=BOUND_MS)
ORDERS = InterleaveTask(
    SubjectSpec("midpipe.scenarios.flaws.as_shipped:SimpleQueue"),
    "same-request-twice",
    max_preemptions=2,
    max_faults=0,
    prune=True,
    latency_bound_ms=BOUND_MS,
    sampling=Sampling(WARM_UP_CASES + 200, 0),
)

PARTS = (
    ("/faultinject/net/", "proxy"),
    ("/faultinject/wire/", "proxy"),
    ("/scenarios/invariants/", "judge"),
    ("/scenarios/case/judge.py", "judge"),
    ("/scenarios/subjects/", "talk to the subject"),
    ("/faultinject/servers/", "read and reset the server"),
    ("/scenarios/model/state.py", "read and reset the server"),
    ("/midpipe/", "engine"),
)
"""The part of midpipe that code belongs to, by its path; the first that fits."""
STEPS = (
    ("/case/rig.py", "reset", "reset"),
    ("/case/case.py", "prepare", "connect"),
    ("/case/case.py", "run", "operate"),
    ("/case/recovery.py", "recover", "recover"),
    ("/case/run.py", "judged_record", "judge"),
)
"""The step of a case, by the function that carries it out."""


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    started = Worker(ServerSpec())
    yield started
    started.close()


class Sampler:
    """Counts in which part and step this process is, again and again; start and stop it by ``with``."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLED_EVERY_S, SAMPLED_EVERY_S)
        return self

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def _sample(self, number: int, frame: FrameType | None) -> None:
        part = step = ""
        while frame is not None:
            code = frame.f_code
            for path, name in PARTS if not part else ():
                if path in code.co_filename:
                    part = name
                    break
            for path, function, name in STEPS if not step else ():
                if code.co_name == function and code.co_filename.endswith(path):
                    step = name
            frame = frame.f_back
        self.parts[part or "engine"] += 1
        self.steps[step or "between cases"] += 1


def seconds_of(process: psutil.Process) -> float:
    """Return the processor time that a process has used; what it has used until it ended is not known."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def fork_servers() -> list[psutil.Process]:
    """Return the processes that have loaded a subject, to fork others."""
    return [child for child in psutil.Process().children() if child.cmdline()[2:3] == ["fork"]]


def processes_of(rig: Rig) -> dict[str, psutil.Process]:
    """Return the living processes beside midpipe's own, by what they do."""
    assert isinstance(rig.server, EmbeddedServer)
    found = {"server": psutil.Process(rig.server.pid)}
    for client_id in ("A", "B", RECOVERY, STANDBY):
        host = rig.hosts.last_of(client_id)
        if host is not None and host.is_alive:
            found[f"subject of {client_id}"] = psutil.Process(host.pid)
    return found


def profile(worker: Worker, task: Task, most_cases: int) -> dict[str, dict[str, float]]:
    """Run a task's cases after a warm-up; return ms of processor time per case by process, part and step."""
    cases = (message for message in worker.do(task) if isinstance(message, CaseEnded))
    for _ in range(WARM_UP_CASES):
        next(cases)
    rig = worker.rig(SWEEP.subject if task is SWEEP else ORDERS.subject)
    before = {name: (each, seconds_of(each)) for name, each in processes_of(rig).items()}
    forking = [(each, seconds_of(each), each.cpu_times()) for each in fork_servers()]
    own_s, wall_s, ran = time.process_time(), time.perf_counter(), 0
    with Sampler() as sampler:
        for _, _ in zip(range(most_cases), cases, strict=False):
            ran += 1
    own_s, wall_s = time.process_time() - own_s, time.perf_counter() - wall_s

    def per_case(seconds: float) -> float:
        return round(seconds / ran * 1000, 2)

    after = processes_of(rig)
    used = {
        name: seconds_of(each) - (before[name][1] if before.get(name, (None,))[0] == each else 0.0)
        for name, each in after.items()
    }
    used["fork server"] = sum(seconds_of(each) - spent for each, spent, _ in forking)
    used["processes that ended"] = sum(
        now.children_user + now.children_system - then.children_user - then.children_system
        for now, then in ((each.cpu_times(), then) for each, _, then in forking)
    )
    samples = max(1, sum(sampler.parts.values()))

    def shares(counts: Counter[str]) -> dict[str, float]:
        return {name: per_case(own_s * n / samples) for name, n in counts.most_common()}

    return {
        "processes": {"midpipe": per_case(own_s)} | {k: per_case(s) for k, s in used.items()},
        "parts of midpipe": shares(sampler.parts),
        "steps of midpipe": shares(sampler.steps),
        "in all": {
            "cases": ran,
            "processor ms per case": per_case(own_s + sum(used.values())),
            "wall ms per case": per_case(wall_s),
        },
    }


def table_of(found: dict[str, dict[str, float]]) -> str:
    """Return the figures as lines of text."""
    lines = []
    for title, rows in found.items():
        lines += [f"  {title}", *(f"    {name:28}{figure:10}" for name, figure in rows.items())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("task", "most_cases"), [(SWEEP, 300), (ORDERS, 200)], ids=["sweep", "orders"]
)
def test_where_a_case_spends_its_processor_time(
    benchmark: Any,
    worker: Worker,
    task: Task,
    most_cases: int,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    found = benchmark.pedantic(profile, (worker, task, most_cases), rounds=1, iterations=1)
    benchmark.extra_info.update(found)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{request.node.callspec.id}: ms of processor time per case\n{table_of(found)}"
        )
    assert found["in all"]["cases"] > WARM_UP_CASES
