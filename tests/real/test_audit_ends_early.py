"""What an audit comes to if its server, its rights or its disk let it down."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.servers.embedded import binary_from_the_wheel
from midpipe.faultinject.servers.external import parse_url
from midpipe.scenarios.audit.audit import AuditPlan, audit
from midpipe.scenarios.audit.layout import Damage
from midpipe.scenarios.audit.layouts import layout_named
from midpipe.scenarios.audit.observation import Suspicion
from midpipe.scenarios.audit.results import Progress, Stage
from midpipe.scenarios.audit.state_file import State, write_state
from midpipe.scenarios.model.outcome import Outcome
from tests.real.commands import server_with_password
from tests.real.test_audit_command import JOB, answers
from tests.real.waiting import wait_until
from tests.support.children import running
from tests.support.ports import free_port


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[int, Any]]]:
    """Start servers on ports; each start returns the port, and a driver."""
    with ExitStack() as stack:

        def started(*more: str, port: int = 0) -> tuple[int, Any]:
            port = port or free_port()
            words = [
                binary_from_the_wheel(),
                "--port",
                str(port),
                "--save",
                "",
                "--dir",
                str(tmp_path),
            ]
            stack.enter_context(running([*words, *more], stdout=subprocess.DEVNULL))
            client = stack.enter_context(redis.Redis(port=port, decode_responses=True))
            wait_until(lambda: answers(client))
            return port, client

        yield started


def plan_of(port: int, user: str = "", **more: Any) -> AuditPlan:
    where = parse_url(f"redis://{user}127.0.0.1:{port}/0")
    return AuditPlan(where, layout_named("reviewed", "dual"), settle_s=0.1, **more)


def orphan(driver: Any) -> None:
    for key in ("ai:jobs:job-0", "ai:job:acme:job-0"):
        driver.hset(key, mapping={**JOB, "status": "pending"})


def once(do: Callable[[], object], stage: Stage) -> Callable[[Progress], None]:
    """Return what does something at the first progress in a stage."""
    waiting = [do]

    def on_progress(now: Progress) -> None:
        if now.stage is stage and waiting:
            waiting.pop()()

    return on_progress


def test_a_replica_that_becomes_a_primary_ends_the_audit_that_had_relied_on_it(start: Any) -> None:
    port, primary = start()
    orphan(primary)
    replica_port, replica = start(
        "--replicaof", "127.0.0.1", str(port), "--repl-diskless-sync-delay", "0"
    )
    wait_until(lambda: bool(replica.exists("ai:jobs:job-0")), 60.0)

    def promote() -> None:
        replica.replicaof("NO", "ONE")

    plan = plan_of(replica_port)
    assert "replica" in audit(plan).server
    # The role is known anew each second.
    result = audit(AuditPlan(plan.where, plan.layout, settle_s=1.5), once(promote, Stage.SETTLE))
    assert (result.is_partial, result.outcome) == (True, Outcome.UNKNOWN)
    assert "has become a primary" in result.ended_by
    assert result.lag_s is not None


def test_a_server_that_goes_away_leaves_what_was_confirmed_and_a_state_to_go_on_from(
    start: Any, tmp_path: Path
) -> None:
    port, driver = start()
    orphan(driver)
    plan = plan_of(port, allow_writer=True, state=tmp_path / "state")

    def end() -> None:
        driver.shutdown(nosave=True)

    result = audit(plan, once(end, Stage.SETTLE))
    assert (result.is_partial, result.outcome, result.jobs) == (True, Outcome.UNKNOWN, 1)
    assert f"127.0.0.1:{port}" in result.ended_by
    _, driver = start(port=port)
    orphan(driver)
    assert [each.job_id for each in audit(plan).found] == ["job-0"]
    assert not (tmp_path / "state").exists()


def test_what_another_server_has_confirmed_is_confirmed_anew(start: Any, tmp_path: Path) -> None:
    port, driver = start()
    orphan(driver)
    plan = plan_of(port, allow_writer=True, state=tmp_path / "state")
    parts = (("job_id", "job-1"), ("workspace_id", "acme"))
    before = Suspicion(Damage.ORPHANED, 0, "job-1", parts, "old", "is pending", "")
    of_another = State(options=plan.digest(), server="another", confirmed=(before,))
    write_state(tmp_path / "state", of_another)
    result = audit(plan)
    assert ([each.job_id for each in result.found], result.vanished) == (["job-0"], 1)


def test_a_state_that_can_not_be_stored_ends_the_audit(start: Any, tmp_path: Path) -> None:
    port, driver = start()
    orphan(driver)
    (folder := tmp_path / "full").mkdir()
    plan = plan_of(port, allow_writer=True, state=folder / "state")
    result = audit(plan, once(folder.rmdir, Stage.SCAN))
    assert (result.is_partial, result.outcome) == (True, Outcome.UNKNOWN)
    assert "can't be written" in result.ended_by


def test_a_user_who_may_not_read_everything_is_refused_with_the_recipe(start: Any) -> None:
    port, driver = start()
    orphan(driver)
    rights = "reset on >p %R~ai:jobs:* +@read +ping +info +time +acl|whoami +acl|dryrun"
    driver.execute_command("ACL", "SETUSER", "half", *rights.split())
    with pytest.raises(UsageError, match=r"NOPERM.*ACL SETUSER midpipe-audit"):
        audit(plan_of(port, "half:p@"))


def test_a_server_that_asks_for_a_password_is_reported_as_that(tmp_path: Path) -> None:
    with server_with_password("sesame", tmp_path) as port:
        with pytest.raises(UsageError, match="asks for a password"):
            audit(plan_of(port))
        with pytest.raises(ServerError, match="WRONGPASS"):
            audit(plan_of(port, ":wrong@"))


def test_a_server_that_does_not_run_is_not_said_to_be_optional() -> None:
    with pytest.raises(ServerError, match="Does it run") as refused:
        audit(plan_of(free_port()))
    assert "embedded" not in str(refused.value)
