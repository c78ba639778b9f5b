"""Faults that the server's operator makes: the server's own answer, what it ran, and that all is well afterwards."""

from __future__ import annotations

from contextlib import closing

import pytest

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import fields_of
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.resp import ErrorReply
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Completion
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec

AS_SHIPPED = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"


def record_of(worker: Worker, replay: str, subject: str = AS_SHIPPED) -> CaseRecord:
    replayed = replay_case(worker, SubjectSpec(subject), replay, 5_000.0)
    assert (replayed.unplaced, replayed.record.invalid_reason) == ((), "")
    return replayed.record


def faulted_reply(record: CaseRecord) -> tuple[Executed, str]:
    """Return whether the server ran the faulted command, and what it answered."""
    step = next(step for step in record.steps if step.fault)
    return step.executed, step.reply


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("oom", "error EXECABORT"),
        ("misconf", "error EXECABORT"),
        ("readonly", "error EXECABORT"),
        ("noperm", "error EXECABORT"),
    ],
)
def test_a_transaction_is_refused_by_the_server_itself(
    worker: Worker, fault: str, answer: str
) -> None:
    record = record_of(worker, f"enqueue-once: A1.2:HSET!{fault}")
    assert record.steps[-1].reply.startswith(answer)
    assert dict(record.states[-1]) == {}


@pytest.mark.parametrize(
    ("fault", "answer"),
    [("oom", "OOM"), ("misconf", "MISCONF"), ("readonly", "READONLY"), ("noperm", "NOPERM")],
)
def test_a_single_write_is_refused_by_the_server_itself(
    worker: Worker, fault: str, answer: str
) -> None:
    record = record_of(
        worker, f"update-once: A1:HSET!{fault}", "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"
    )
    executed, reply = faulted_reply(record)
    assert (executed, answer in reply) == (Executed.YES, True)
    assert record.history[-2].error is not None
    assert len(record.states) == 2


@pytest.mark.parametrize(
    "fault", ["oom", "misconf", "readonly", "noperm", "client-kill", "script-flush"]
)
def test_after_the_call_the_server_works_as_before(worker: Worker, fault: str) -> None:
    record = record_of(worker, f"enqueue: A1:EVALSHA!{fault}", REFERENCE)
    assert record.history[0].error is not None or record.history[0].value is True
    assert record.delivered == ("job-1",)


def test_a_killed_connection_is_closed_before_the_command_runs(worker: Worker) -> None:
    record = record_of(worker, "update-once: A1:EVALSHA!client-kill", REFERENCE)
    assert faulted_reply(record) == (Executed.NO, "")


def test_a_flushed_script_is_answered_noscript_and_sent_again(worker: Worker) -> None:
    record = record_of(worker, "enqueue: A1:EVALSHA!script-flush", REFERENCE)
    names = [step.event.name for step in record.steps]
    assert (names, faulted_reply(record)[1][:14]) == (["EVALSHA", "EVAL"], "error NOSCRIPT")


def test_misconf_is_a_snapshot_that_the_server_itself_could_not_take(
    run_directory: RunDirectory,
) -> None:
    server = EmbeddedServer(None, run_directory)
    with closing(Control(server.address)) as control:
        server.fail_snapshots(control)
        refused, info = control.pipeline((("SET", "k", "v"), ("INFO", "persistence")))
        server.restore_snapshots(control)
        control.call("SET", "k", "v")
    assert isinstance(refused, ErrorReply)
    assert (refused.code, fields_of(info)["rdb_last_bgsave_status"]) == ("MISCONF", "err")
    server.stop()


def test_a_server_that_comes_back_elsewhere_is_found_by_its_name_once_the_call_has_ended(
    worker: Worker,
) -> None:
    record = record_of(worker, "enqueue: A1:EVALSHA!readdress", REFERENCE)
    first, again = record.history[:2]
    assert (faulted_reply(record)[0], first.completion) == (Executed.NO, Completion.FAIL)
    assert first.error is not None
    assert "ConnectionError" in first.error.kinds
    assert (again.value, record.delivered) == (True, ("job-1",))


def test_a_server_that_is_readdressed_keeps_its_data_and_leaves_its_old_address(
    run_directory: RunDirectory,
) -> None:
    server = EmbeddedServer(None, run_directory, Persistence.AOF_ALWAYS)
    before = server.address
    with closing(Control(before)) as control:
        control.call("SET", "k", "v")
    server.readdress()
    with closing(Control(server.address)) as control:
        assert control.call("GET", "k") == b"v"
    with pytest.raises(ServerError, match="No server answers"):
        Control(before)
    server.stop()
