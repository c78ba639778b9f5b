"""A server in a container: sweeps, server faults, and what is not applicable there."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.container import PORT, ContainerServer
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.engine import ContainerGroup
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import Executed
from midpipe.reports.verdict_file import read_verdict
from midpipe.scenarios.explore.power_loss import PowerLossTask
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone, PowerLossDone
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec

pytestmark = pytest.mark.docker
AS_REVIEWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"


def swept(worker: Worker, subject: str, program: str) -> list[CaseEnded]:
    """Sweep a program with every single fault; every case of it is valid."""
    messages = list(
        worker.do(
            SweepTask(
                SubjectSpec(subject), program, shard=(0, 1), max_faults=1, latency_bound_ms=5_000.0
            )
        )
    )
    cases = [message for message in messages if isinstance(message, CaseEnded)]
    (done,) = (message for message in messages if isinstance(message, ExplorationDone))
    assert [case.invalid_reason for case in cases if not case.valid] == []
    assert sum(row.not_reached for row in done.ledger) == 0
    return cases


def test_the_reference_passes_every_fault_of_enqueue(worker: Worker) -> None:
    cases = swept(worker, REFERENCE, "enqueue")
    # Every fault that is applicable and needs no persistence, server faults included.
    met = {case.fault for case in cases}
    assert met >= {"pause", "oom", "readonly", "client-kill", "noperm", "script-flush", "torn-last"}
    assert [case.replay for case in cases if case.violations] == []


def test_the_reviewed_queue_fails(worker: Worker) -> None:
    cases = swept(worker, AS_REVIEWED, "enqueue-with-request-id")
    violated_invariants = {violation.invariant for case in cases for violation in case.violations}
    assert violated_invariants >= {"retry-succeeds", "no-orphan"}


@pytest.mark.parametrize(
    ("mode", "kept"),
    [(Persistence.NONE, 0), (Persistence.AOF_NO, 500), (Persistence.AOF_ALWAYS, 500)],
)
def test_a_killed_container_comes_back_with_its_persisted_data(
    run_directory: RunDirectory, redis_image: str, mode: Persistence, kept: int
) -> None:
    server = ContainerServer(redis_image, ContainerGroup(run_directory), mode)
    with closing(Control(server.address)) as control:
        control.pipeline([("SET", f"k{number}", "v") for number in range(500)])
        before = control.call("INFO", "server")
    server.restart()
    with closing(Control(server.address)) as control:
        held, after = control.call("DBSIZE"), control.call("INFO", "server")
    server.stop()
    assert held == kept
    assert run_id(before) != run_id(after)


def run_id(info: object) -> str:
    """Return the id that differs between two processes of a server."""
    assert isinstance(info, bytes)
    return next(line for line in info.decode().splitlines() if line.startswith("run_id:"))


@pytest.mark.parametrize(
    ("fault", "executed"), [("kill", Executed.YES), ("kill-before", Executed.NO)]
)
def test_a_kill_before_or_after_a_command_decides_whether_it_was_executed(
    worker: Worker, fault: str, executed: Executed
) -> None:
    record = replay_case(worker, SubjectSpec(), f"enqueue: A1:EVALSHA!{fault}", 5_000.0).record
    step = next(step for step in record.steps if step.fault)
    assert (record.invalid_reason, record.violations) == ("", ())
    assert step.executed is executed
    assert record.delivered == ("job-1",)


def test_a_suspended_container_executes_the_command_once_it_is_resumed(worker: Worker) -> None:
    record = replay_case(worker, SubjectSpec(), "enqueue: A1:EVALSHA!pause", 5_000.0).record
    first = record.history[0]
    assert first.error is not None
    assert "Timeout" in first.error.type
    assert (record.invalid_reason, record.violations, record.delivered) == ("", (), ("job-1",))


def test_a_power_loss_is_reported_as_not_applicable(worker: Worker) -> None:
    (done,) = worker.do(PowerLossTask(SubjectSpec(), "enqueue", 5_000.0))
    assert isinstance(done, PowerLossDone)
    assert (done.outcomes, "can't reach the files" in done.not_tried) == ((), True)


def test_the_mapped_port_is_open_on_one_address_of_this_machine_only(
    engine: Any, server: ContainerServer
) -> None:
    ports = engine.containers.get(server.container.id).ports[f"{PORT}/tcp"]
    assert [port["HostIp"] for port in ports] == [server.address.host]


def durability(image: str, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command on an engine that appears to have another loopback than this machine."""
    return subprocess.run(
        (
            *(sys.executable, "-m", "midpipe", "durability", "--program", "enqueue"),
            *("--redis", f"docker:{image}", "--out", str(out), "--jobs", "1", *more),
        ),
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "TESTCONTAINERS_CONNECTION_MODE": "gateway_ip"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_not_applicable_in_a_container_is_reported_and_counts_as_no_pass(
    redis_image: str, tmp_path: Path
) -> None:
    ended = durability(
        redis_image, tmp_path, "--persistence", "aof-always", "--persistence", "replica"
    )
    output = " ".join(ended.stdout.split())
    assert ended.returncode == 0, ended
    assert "replica was not tested" in output
    assert "Power loss was not tested in enqueue" in output
    rows = read_verdict(tmp_path / "durability" / "verdict.json").durability
    assert [row.persistence for row in rows] == ["aof-always"]


def test_a_requested_replica_that_is_not_applicable_is_refused(
    redis_image: str, tmp_path: Path
) -> None:
    ended = durability(redis_image, tmp_path, "--persistence", "replica")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "need the loopback of this machine" in ended.stderr
