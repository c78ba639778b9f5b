"""A server that is killed, and one that loses its power: what each persistence keeps, and what a queue makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.wire.resp import Value
from midpipe.scenarios.explore.power_loss import PowerLossTask, records_since_reset
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import PowerLossDone, PowerLossOutcome
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec

AS_REVIEWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"


@pytest.fixture
def keeping(run_directory: RunDirectory) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(None, run_directory, Persistence.AOF_ALWAYS)
    yield server
    server.stop()


def run_commands(server: EmbeddedServer, *commands: tuple[str, ...]) -> Value:
    """Send commands on a connection of their own, and return the last answer."""
    with closing(Control(server.address)) as control:
        return control.pipeline(commands)[-1]


@pytest.mark.parametrize("mode", [mode for mode in Persistence if mode.appends])
def test_a_killed_process_loses_nothing_of_an_append_only_file(
    run_directory: RunDirectory, mode: Persistence
) -> None:
    server = EmbeddedServer(None, run_directory, mode)
    run_commands(server, *(("SET", f"k{number}", "v") for number in range(500)))
    server.restart()
    assert run_commands(server, ("DBSIZE",)) == 500
    server.stop()


def test_a_server_that_keeps_its_data_ends_when_another_kind_is_asked_for(worker: Worker) -> None:
    before = worker.rig(SubjectSpec(REFERENCE), Persistence.AOF_ALWAYS).server
    worker.rig(SubjectSpec(REFERENCE), Persistence.RDB)
    with pytest.raises(ServerError):
        Control(before.address)


def test_a_killed_process_without_persistence_loses_everything(
    run_directory: RunDirectory,
) -> None:
    server = EmbeddedServer(None, run_directory)
    run_commands(server, ("SET", "k", "v"))
    server.restart()
    assert run_commands(server, ("DBSIZE",)) == 0
    server.stop()


def test_a_file_cut_inside_a_record_or_a_transaction_is_loaded_up_to_its_beginning(
    keeping: EmbeddedServer,
) -> None:
    block = (("MULTI",), ("SET", "b", "2"), ("SET", "c", "3"), ("EXEC",))
    run_commands(keeping, ("FLUSHALL",), ("SET", "a", "1"), *block)
    whole = b"".join(records_since_reset(keeping.appended.read_bytes()))
    seen = set()
    for length in range(0, len(whole) + 1, 9):
        keeping.keep_only(whole[:length])
        keeping.restart()
        keys = run_commands(keeping, ("KEYS", "*"))
        assert isinstance(keys, tuple)
        seen.add(tuple(sorted(str(key, "ascii") for key in keys if isinstance(key, bytes))))
    assert seen <= {(), ("a",), ("a", "b", "c")}
    assert ("a",) in seen


def test_what_the_server_ran_before_it_was_killed_is_there_when_it_comes_back(
    worker: Worker,
) -> None:
    record = replay_case(worker, SubjectSpec(REFERENCE), "enqueue: A1:EVALSHA!kill", 5_000.0).record
    assert (record.invalid_reason, record.violations, record.delivered) == ("", (), ("job-1",))


def test_without_persistence_an_acknowledged_job_is_gone(worker: Worker) -> None:
    record = replay_case(
        worker, SubjectSpec(REFERENCE), "get: A1:EVALSHA!kill", 5_000.0, Persistence.NONE
    ).record
    assert "no-lost-job" in {violation.invariant for violation in record.violations}


def moments(worker: Worker, subject: str) -> tuple[PowerLossOutcome, ...]:
    task = PowerLossTask(SubjectSpec(subject), "enqueue-with-request-id", 5_000.0)
    (done,) = worker.do(task)
    assert isinstance(done, PowerLossDone)
    assert len(done.outcomes) > 4
    return done.outcomes


def torn_moments(worker: Worker, subject: str) -> list[tuple[str, ...]]:
    return [left.seen for left in moments(worker, subject) if left.seen]


def test_the_power_goes_at_every_record_in_the_middle_of_each_and_inside_a_transaction(
    worker: Worker,
) -> None:
    left = moments(worker, REFERENCE)
    whole = [moment.records for moment in left if not moment.torn]
    torn = [moment.records for moment in left if moment.torn]
    assert (whole, torn) == (list(range(len(torn) + 1)), list(range(len(torn))))
    inside = [moment.after.partition(" ")[0] for moment in left]
    begins, ends = inside.index("MULTI"), inside.index("EXEC")
    assert ends - begins > 4


def test_no_power_loss_leaves_a_job_of_the_reference_half_written(worker: Worker) -> None:
    assert torn_moments(worker, REFERENCE) == []


def test_a_power_loss_between_two_writes_leaves_a_job_of_the_reviewed_queue_half_written(
    worker: Worker,
) -> None:
    assert ("job-1 is pending and not in the queue",) in torn_moments(worker, AS_REVIEWED)


def test_a_power_loss_after_the_request_key_costs_the_reviewed_queue_a_job_that_is_asked_for_again(
    worker: Worker,
) -> None:
    lost = "the same request returns False, and there is no job-1"
    left = moments(worker, AS_REVIEWED)
    assert {moment.after.partition(" ")[0] for moment in left if lost in moment.seen} == {"SET"}
