"""A queue in which every job waits is judged by every program: it lets that time pass, and runs the periodic work."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Phase, job_received
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.exploring import orders_of

FLAWS = "midpipe.scenarios.flaws.delaying"
SOUND, BY_CLAIM = f"{FLAWS}:DelayingQueue", f"{FLAWS}:PromotesByClaim"
FLAWED = f"{FLAWS}:RemovesBeforeItPushes"


def record_of(worker: Worker, subject: str, line: str) -> CaseRecord:
    replayed = replay_case(worker, SubjectSpec(subject), line, 5_000.0)
    assert (replayed.record.invalid_reason, replayed.unplaced) == ("", ())
    return replayed.record


def calls_of(record: CaseRecord) -> list[str]:
    return [call.method for call in record.history if call.phase is Phase.PROGRAM]


@pytest.mark.parametrize(
    ("subject", "calls"),
    [(SOUND, ["tick", "claim", "complete"]), (BY_CLAIM, ["claim", "complete"])],
)
def test_a_program_lets_a_job_become_due_and_then_takes_it(
    worker: Worker, subject: str, calls: list[str]
) -> None:
    record = record_of(worker, subject, "claim-complete:")
    assert calls_of(record) == calls
    assert [job_received(call) for call in record.history if call.method == "claim"] == ["job-1"]
    assert set(record.violated_invariants) == set()


@pytest.mark.parametrize(
    ("subject", "line", "violated"),
    [
        (FLAWED, "claim-complete: A3:ZREM!crash", {"no-lost-job"}),
        (SOUND, "claim-complete: A1:EVAL!crash", set()),
        (SOUND, "claim-complete: A2:EVAL!lost-reply", set()),
        (SOUND, "claim-complete: A3:EVAL!crash", set()),
        (BY_CLAIM, "claim-complete: A1:EVAL!crash", set()),
    ],
)
def test_a_job_that_is_lost_while_it_becomes_due_is_a_finding(
    worker: Worker, subject: str, line: str, violated: set[str]
) -> None:
    assert set(record_of(worker, subject, line).violated_invariants) == violated


def test_two_clients_of_a_sound_queue_that_delays_its_jobs_show_nothing(worker: Worker) -> None:
    ended = [
        message
        for message in worker.do(orders_of(SubjectSpec(SOUND), "claim-vs-claim"))
        if hasattr(message, "violations")
    ]
    assert len(ended) > 1
    assert [message.violations for message in ended] == [()] * len(ended)


SLOW = """
from midpipe.scenarios.flaws.delaying import DelayingQueue, RemovesBeforeItPushes


class Sound(DelayingQueue):
    delay_s = 600.0


class Flawed(RemovesBeforeItPushes):
    delay_s = 600.0
"""


def test_a_delay_of_ten_minutes_is_waited_for_on_the_stepped_clock(
    worker: Worker, tmp_path: Path
) -> None:
    if not worker.clock.is_stepped:
        pytest.skip(f"no stepped clock here: {worker.clock.reason}")
    file = tmp_path / "slow.py"
    file.write_text(SLOW)
    sound = record_of(worker, f"{file}:Sound", "claim-complete:")
    flawed = record_of(worker, f"{file}:Flawed", "claim-complete: A3:ZREM!crash")
    assert (calls_of(sound), set(sound.violated_invariants)) == (
        ["tick", "claim", "complete"],
        set(),
    )
    assert 600.0 <= sound.traits.due_after_s <= 1_200.0
    assert set(flawed.violated_invariants) == {"no-lost-job"}


def test_a_queue_that_hands_a_job_out_at_once_is_run_as_the_program_says(worker: Worker) -> None:
    subject = "midpipe.scenarios.flaws.failing:LeasingQueue"
    record = record_of(worker, subject, "claim-complete:")
    assert (calls_of(record), record.traits.delays_jobs) == (["claim", "complete"], False)
