"""An audit of a server under load finds all planted damage and accuses no job in flight; killed and resumed as well."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
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
from midpipe.scenarios.audit.results import AuditResult
from midpipe.scenarios.audit.throttle import Limits
from midpipe.scenarios.model.verdict import Outcome
from tests.real.audit_load import IN_FLIGHT_S
from tests.real.commands import ran, started
from tests.real.queues import LEGACY
from tests.real.waiting import wait_until
from tests.support.children import running

UNBOUNDED = Limits(ops_s=1e9, latency_ms=1e9, critical_latency_ms=1e9)
SECRET = "4111-1111"


def fields(job_id: str, status: str = "completed", **more: str) -> dict[str, str]:
    params = json.dumps({"card": SECRET})
    return {**LEGACY, "job_id": job_id, "status": status, "params": params, **more}


class Planting:
    """Plants damage of each kind, and remembers it."""

    def __init__(self, driver: Any, rng: random.Random) -> None:
        self.driver = driver
        self.rng = rng
        self.planted: dict[Damage, set[str]] = {damage: set() for damage in Damage}
        self.healing: list[str] = []

    def copies(self, old: dict[str, str], new: dict[str, str] | None = None) -> None:
        job_id = old["job_id"]
        self.driver.hset(f"ai:jobs:{job_id}", mapping=old)
        self.driver.hset(f"ai:job:acme:{job_id}", mapping=new or old)

    def queued(self, *job_ids: str) -> None:
        self.driver.rpush("ai:queue:pending", *job_ids)

    def some(self, damage: Damage, kind: str) -> Iterator[str]:
        """Yield a few ids that will have this damage."""
        for number in range(self.rng.randint(1, 6)):
            job_id = f"planted-{kind}-{number}"
            self.planted[damage].add(job_id)
            yield job_id

    def plant(self) -> None:
        for job_id in self.some(Damage.LOST, "ghost"):
            self.queued(job_id)
        for job_id in self.some(Damage.LOST, "request"):
            self.driver.set(f"ai:idempotency:acme:r-{job_id}", job_id, ex=86400)
        for job_id in self.some(Damage.ORPHANED, "orphan"):
            self.copies(fields(job_id, "pending"))
        for job_id in self.some(Damage.STUCK, "stuck"):
            self.copies(fields(job_id, "running", started_at="2025-10-17T10:16:00+00:00"))
        for job_id in self.some(Damage.DOUBLED, "twice"):
            self.copies(fields(job_id, "pending"))
            self.queued(job_id, job_id)
        for job_id in self.some(Damage.DOUBLED, "again"):
            self.copies(fields(job_id))
            self.queued(job_id)
        for job_id in self.some(Damage.MALFORMED, "half"):
            self.copies(fields(job_id))
            self.driver.delete(f"ai:job:acme:{job_id}")
            self.driver.hset(f"ai:job:acme:{job_id}", "status", "completed")
        for job_id in self.some(Damage.DIVERGING, "status"):
            self.copies(fields(job_id), fields(job_id, "running"))
        for job_id in self.some(Damage.DIVERGING, "new-only"):
            self.driver.hset(f"ai:job:acme:{job_id}", mapping=fields(job_id))
        for number in range(5):
            # In order within the time that a suspect settles.
            job_id = f"planted-heals-{number}"
            self.copies(fields(job_id, "pending"))
            self.healing.append(job_id)

    def heal(self) -> None:
        for job_id in self.healing:
            self.queued(job_id)


@pytest.fixture
def url(server: Server) -> str:
    return f"unix://{server.address.path}"


def plan_for(url: str, **more: Any) -> AuditPlan:
    return AuditPlan(
        where=parse_url(url),
        layout=layout_named("reviewed", "dual"),
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
def load(url: str, names: tuple[str, ...]) -> Iterator[set[str]]:
    """Load the server; what is yielded holds, at the end, the ids of jobs that were in flight for too long."""
    slow: set[str] = set()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                running(
                    [sys.executable, "-m", "tests.real.audit_load", url, name],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
            for name in names
        ]
        yield slow
        for process in processes:
            output, errors = process.communicate(timeout=30)
            assert process.returncode == 0, errors
            slow.update(output.split())


def check_under_load(driver: Any, url: str, seed: int) -> None:
    planting = Planting(driver, random.Random(seed))
    for number in range(300):
        planting.copies(fields(f"before-{number}"))
    with load(url, (f"a{seed}", f"b{seed}")) as slow:
        wait_until(
            lambda: driver.llen("ai:queue:pending") or driver.exists(f"ai:jobs:a{seed}-1"), 60.0
        )
        planting.plant()
        healer = threading.Timer(0.2 * IN_FLIGHT_S, planting.heal)
        healer.start()
        result = audit(plan_for(url))
        healer.join()
    found = found_in(result)
    for damage, job_ids in planting.planted.items():
        assert found[damage] - slow == job_ids, damage
    assert result.outcome is Outcome.FAIL
    assert result.unseen < 0.01
    assert SECRET not in repr(result)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_finds_all_that_persists_and_accuses_nothing_in_flight(
    driver: Any, url: str, seed: int
) -> None:
    check_under_load(driver, url, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(3, 23))
def test_it_does_so_for_twenty_more_seeds(driver: Any, url: str, seed: int) -> None:
    check_under_load(driver, url, seed)


def test_a_queue_under_load_without_damage_passes(driver: Any, url: str) -> None:
    with load(url, ("a",)) as slow:
        wait_until(lambda: bool(driver.exists("ai:jobs:a-20")), 60.0)
        result = audit(plan_for(url))
    assert {found.job_id for found in result.found} <= slow
    assert result.jobs > 10


def test_killed_and_resumed_it_finds_the_same(driver: Any, url: str, tmp_path: Path) -> None:
    planting = Planting(driver, random.Random(7))
    planting.plant()
    for number in range(1500):
        planting.copies(fields(f"before-{number}"))
    planting.heal()
    state = tmp_path / "state.json"
    words = ["audit", "--redis", url, "--layout", "reviewed", "--phase", "dual", "--allow-writer"]
    words += ["--settle", "0.2", "--max-latency", "1000", "--state", str(state)]
    temporary = tmp_path / "t"
    temporary.mkdir()
    with started(*words, "--max-ops", "2000", cwd=tmp_path, tmp=temporary) as process:
        wait_until(lambda: state.exists() and json.loads(state.read_bytes())["cursor"] > 0)
        process.send_signal(signal.SIGKILL)
    stored = json.loads(state.read_bytes())
    assert 0 < stored["jobs"] < 1500
    assert SECRET not in state.read_text()
    assert state.stat().st_mode & 0o077 == 0
    code, output, errors = ran(*words, "--max-ops", "100000", cwd=tmp_path)
    assert code == 1, output + errors
    report = json.loads((tmp_path / ".midpipe" / "audit" / "audit.json").read_bytes())
    found = {
        damage: {each["job_id"] for each in report["found"] if each["damage"] == damage}
        for damage in Damage
    }
    assert found == planting.planted
    assert report["jobs"] >= 1500
    assert not state.exists()


def test_a_sample_looks_at_the_same_jobs_each_time(driver: Any, url: str) -> None:
    planting = Planting(driver, random.Random(1))
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
    planting = Planting(driver, random.Random(3))
    for number in range(500):
        planting.copies(fields(f"waits-{number}", "pending"))
        planting.queued(f"waits-{number}")
    planting.plant()
    planting.heal()
    assert found_in(audit(plan_for(url, settle_s=0.1))) == planting.planted


def test_it_waits_while_the_pause_file_exists_and_says_so(
    driver: Any, url: str, tmp_path: Path
) -> None:
    Planting(driver, random.Random(3)).copies(fields("j-1"))
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
    planting = Planting(driver, random.Random(3))
    for number in range(50):
        planting.copies(fields(f"orphan-{number}", "pending"))
    begun_s = time.monotonic()
    state = tmp_path / "state"
    result = audit(
        plan_for(url, settle_s=3600.0, state=state), lambda _: None, lambda: state.exists()
    )
    assert time.monotonic() - begun_s < 60
    assert (result.is_partial, result.outcome, result.found) == (True, Outcome.UNKNOWN, ())
