"""An audit of a server under load finds all planted damage and accuses no job in flight; killed and resumed as well."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.servers.external import parse_url
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.audit.audit import AuditPlan, audit
from midpipe.scenarios.audit.layout import Damage
from midpipe.scenarios.audit.layouts import layout_named
from midpipe.scenarios.audit.results import AuditResult, Stage
from midpipe.scenarios.audit.throttle import Limits
from midpipe.scenarios.model.verdict import Outcome
from tests.real.audit_load import IN_FLIGHT_S
from tests.real.audit_planting import SECRET, Planting, Reviewed, fields
from tests.real.audit_stream_planting import Shop, Streaq, Taskiq
from tests.real.commands import ran, started
from tests.real.waiting import wait_until
from tests.support.children import running

UNBOUNDED = Limits(ops_s=1e9, latency_ms=1e9, critical_latency_ms=1e9)
EVERY_QUEUE = pytest.mark.parametrize("queue", [Reviewed, Shop, Streaq, Taskiq])


@pytest.fixture
def url(server: Server) -> str:
    return f"unix://{server.address.path}"


def plan_for(url: str, queue: type[Planting] = Reviewed, **more: Any) -> AuditPlan:
    return AuditPlan(
        where=parse_url(url),
        layout=layout_named(queue.layout, queue.phase),
        limits=more.pop("limits", UNBOUNDED),
        settle_s=more.pop("settle_s", 1.5 * IN_FLIGHT_S),
        allow_writer=True,
        **more,
    )


def found_in(result: AuditResult) -> dict[Damage, set[str]]:
    return {
        damage: {found.job_id for found in result.found if found.damage is damage}
        for damage in Damage
    }


@contextmanager
def load(planting: Planting, url: str, names: tuple[str, ...]) -> Iterator[set[str]]:
    """Load the server; what is yielded holds, at the end, the ids of jobs that were in flight for too long."""
    slow: set[str] = set()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                running(
                    planting.load(url, name),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
            for name in names
        ]
        yield slow
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            slow.update(output.split())


def check_under_load(queue: type[Planting], driver: Any, url: str, seed: int) -> None:
    planting = queue(driver, random.Random(seed))
    planting.prepare()
    planting.sane(300)
    with load(planting, url, (f"a{seed}", f"b{seed}")) as slow:
        idle = jobs_put_in(driver)
        wait_until(lambda: jobs_put_in(driver) > idle + 20, 60.0)
        planting.plant()
        healer = threading.Timer(0.2 * IN_FLIGHT_S, planting.heal)
        healer.start()
        begun = jobs_put_in(driver)
        result = audit(plan_for(url, queue))
        jobs_meanwhile = jobs_put_in(driver) - begun
        healer.join()
        persisting = planting.persisting()
    found = found_in(result)
    for damage, job_ids in planting.planted.items():
        assert found[damage] - slow >= persisting[damage], damage
        assert found[damage] - slow <= job_ids, damage
    assert jobs_meanwhile > 10
    assert result.outcome is Outcome.FAIL
    assert result.unseen < 0.01
    assert SECRET not in repr(result)


def jobs_put_in(driver: Any) -> int:
    """Return how many jobs the server was given, or a little more."""
    calls = driver.info("commandstats")
    return sum(
        calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("rpush", "lpush", "xadd")
    )


@pytest.mark.parametrize("queue", [Reviewed, Shop])
def test_it_finds_all_that_persists_and_accuses_nothing_in_flight(
    driver: Any, url: str, queue: type[Planting]
) -> None:
    check_under_load(queue, driver, url, seed=1)


@pytest.mark.nightly
@EVERY_QUEUE
@pytest.mark.parametrize("seed", range(2, 22))
def test_it_does_so_for_twenty_more_seeds(
    driver: Any, url: str, queue: type[Planting], seed: int
) -> None:
    check_under_load(queue, driver, url, seed)


@EVERY_QUEUE
def test_what_is_planted_has_every_damage_that_the_layout_describes(
    driver: Any, queue: type[Planting]
) -> None:
    planting = queue(driver, random.Random(1))
    planting.prepare()
    planting.plant()
    layout = layout_named(queue.layout, queue.phase)
    described = {rule.damage for rule in layout.rules}
    planted = {damage for damage, ids in planting.planted.items() if ids}
    assert described <= planted


def test_a_queue_under_load_without_damage_passes(driver: Any, url: str) -> None:
    with load(Reviewed(driver, random.Random(1)), url, ("a",)) as slow:
        wait_until(lambda: bool(driver.exists("ai:jobs:a-20")), 60.0)
        result = audit(plan_for(url))
    assert {found.job_id for found in result.found} <= slow
    assert result.jobs > 10


@pytest.mark.parametrize(
    ("queue", "stage"),
    [
        (Reviewed, Stage.SCAN),
        (Taskiq, Stage.WALK),
        pytest.param(Streaq, Stage.SCAN, marks=pytest.mark.nightly),
        pytest.param(Shop, Stage.SCAN, marks=pytest.mark.nightly),
    ],
)
def test_killed_and_resumed_it_finds_the_same(
    driver: Any, url: str, tmp_path: Path, queue: type[Planting], stage: Stage
) -> None:
    planting = queue(driver, random.Random(7))
    planting.prepare()
    planting.plant()
    planting.sane(1500)
    planting.heal()
    state, folder = tmp_path / "state.json", tmp_path / ".midpipe" / "audit"
    words = ["audit", "--redis", url, "--layout", queue.layout, "--phase", queue.phase]
    words += ["--allow-writer", "--settle", "0.2", "--max-latency", "1000"]
    temporary = tmp_path / "t"
    temporary.mkdir()
    assert ran(*words, "--max-ops", "100000", cwd=tmp_path)[0] == 1
    whole = judged(json.loads((folder / "audit.json").read_bytes()))
    words += ["--state", str(state)]

    def is_in_the_middle() -> bool:
        if not state.exists():
            return False
        stored = json.loads(state.read_bytes())
        return bool(stored["stage"] == stage and 0 < stored["jobs"] < whole["jobs"])

    with started(*words, "--max-ops", "1000", cwd=tmp_path, tmp=temporary) as process:
        wait_until(is_in_the_middle)
        process.send_signal(signal.SIGKILL)
    assert is_in_the_middle()
    assert SECRET not in state.read_text()
    assert state.stat().st_mode & 0o077 == 0
    code, output, errors = ran(*words, "--max-ops", "100000", cwd=tmp_path)
    assert code == 1, output + errors
    report = json.loads((folder / "audit.json").read_bytes())
    assert judged(report) == whole
    found = {
        damage: {each["job_id"] for each in report["found"] if each["damage"] == damage}
        for damage in Damage
    }
    assert found == planting.planted
    assert not state.exists()


def judged(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a report says of the jobs."""
    names = ("outcome", "reasons", "counts", "found", "jobs", "unseen", "unreadable", "suspects")
    return {name: report[name] for name in names}


def test_a_sample_looks_at_the_same_jobs_each_time(driver: Any, url: str) -> None:
    planting = Reviewed(driver, random.Random(1))
    for number in range(400):
        planting.copies(fields(f"orphan-{number}", "pending"))
    runs = [audit(plan_for(url, sample=0.25, settle_s=0.1)) for _ in range(2)]
    assert found_in(runs[0]) == found_in(runs[1])
    assert 50 < len(runs[0].found) < 150


def test_a_list_that_is_walked_several_times_gives_the_same(
    driver: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer jobs wait for a walk than the list holds, so that memory stays bounded."""
    monkeypatch.setattr("midpipe.scenarios.audit.auditing.MOST_WAITING", 50)
    planting = Reviewed(driver, random.Random(3))
    for number in range(500):
        planting.copies(fields(f"waits-{number}", "pending"))
        planting.queued(f"waits-{number}")
    planting.plant()
    planting.heal()
    assert found_in(audit(plan_for(url, settle_s=0.1))) == planting.planted


def test_it_waits_while_the_pause_file_exists_and_says_so(
    driver: Any, url: str, tmp_path: Path
) -> None:
    Reviewed(driver, random.Random(3)).copies(fields("j-1"))
    pause = tmp_path / "pause"
    pause.touch()
    reasons: list[str] = []

    def shown(progress: Any) -> None:
        reasons.append(progress.throttled_by)
        pause.unlink(missing_ok=True)

    result = audit(plan_for(url, pause_file=pause), shown)
    assert "the pause file exists" in reasons
    assert (result.outcome, result.jobs) == (Outcome.PASS, 1)
    assert "the pause file exists" in result.throttled_s


def test_asked_to_stop_it_returns_what_it_has(driver: Any, url: str, tmp_path: Path) -> None:
    planting = Reviewed(driver, random.Random(3))
    for number in range(50):
        planting.copies(fields(f"orphan-{number}", "pending"))
    begun_s = time.monotonic()
    state = tmp_path / "state"
    result = audit(
        plan_for(url, settle_s=3600.0, state=state), lambda _: None, lambda: state.exists()
    )
    assert time.monotonic() - begun_s < 60
    assert (result.is_partial, result.outcome, result.found) == (True, Outcome.UNKNOWN, ())
