"""The soak's checker: what it says of small histories, written out; and of any, beside a checker too simple to err."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from midpipe.scenarios.soak.checker import Bounds, Checked, Tally, check, story_of
from midpipe.scenarios.soak.history import LegFiles, RawRecord, next_job, read_records
from midpipe.scenarios.soak.reading import told
from midpipe.scenarios.subjects.load import (
    BEGUN,
    COMPLETED,
    EMPTY,
    ENQUEUED,
    GIVEN_UP,
    HANDED_OUT,
    NO,
    RAISED,
    READ,
    RECORD,
    WAITING,
    YES,
)

P, W, V, M = 0, 1, 2, 3
LEASE = 1_000


def enqueued(job: int, *outcomes: int, begun: int = 0) -> list[RawRecord]:
    """One attempt for each outcome."""
    found: list[RawRecord] = []
    for number, outcome in enumerate(outcomes):
        at = begun + 10 * number
        found += [(BEGUN, YES, P, job, at, at), (ENQUEUED, outcome, P, job, at, at + 5)]
    return found


def given_to(worker: int, job: int, begun: int, outcome: int = YES) -> RawRecord:
    return (HANDED_OUT, outcome, worker, job, begun, begun + 5)


def completed(worker: int, job: int, begun: int, outcome: int = YES) -> RawRecord:
    return (COMPLETED, outcome, worker, job, begun, begun + 5)


def read(job: int, outcome: int) -> RawRecord:
    return (READ, outcome, M, job, 9_000, 9_000)


def checked(*records: RawRecord, drained: bool = True) -> Checked:
    return check(records, completes=True, lease=LEASE, drained=drained)


def drained_by_midpipe(*records: RawRecord) -> Checked:
    return check(records, completes=False, lease=None)


def test_an_empty_history_has_no_jobs() -> None:
    assert checked().tally == Tally()


def test_a_job_that_was_completed_is_delivered() -> None:
    history = [*enqueued(7, YES), given_to(W, 7, 20), completed(W, 7, 30)]
    assert checked(*history).tally == Tally(jobs=1, attempts=1, acknowledged=1, delivered=1)


def test_an_acknowledged_job_that_does_not_exist_at_the_end_is_lost() -> None:
    found = checked(*enqueued(7, RAISED, NO), read(7, NO))
    assert found.lost == (7,)
    assert found.tally == Tally(jobs=1, attempts=2, acknowledged=1, lost=Bounds(1, 1))


def test_an_acknowledged_job_that_still_waits_when_all_is_quiet_is_lost() -> None:
    assert checked(*enqueued(7, YES), read(7, WAITING)).tally.lost == Bounds(1, 1)


def test_a_job_that_still_waits_while_workers_were_not_done_may_be_lost() -> None:
    found = checked(*enqueued(7, YES), read(7, WAITING), drained=False)
    assert found.tally.lost == Bounds(0, 1)


def test_a_job_that_nobody_could_read_may_be_lost() -> None:
    assert checked(*enqueued(7, YES), read(7, RAISED)).tally.lost == Bounds(0, 1)


def test_a_job_that_was_not_read_yet_is_unresolved() -> None:
    history = [*enqueued(7, YES), given_to(W, 7, 20), completed(W, 7, 30, RAISED)]
    assert checked(*history).unresolved == (7,)


def test_a_job_that_was_read_as_completed_is_delivered_though_its_worker_never_heard() -> None:
    history = [*enqueued(7, YES), given_to(W, 7, 20), completed(W, 7, 30, RAISED), read(7, YES)]
    assert checked(*history).tally == Tally(jobs=1, attempts=1, acknowledged=1, delivered=1)


def test_a_job_that_was_delivered_and_never_acknowledged_is_recovered() -> None:
    history = [*enqueued(7, RAISED), given_to(W, 7, 20), completed(W, 7, 30)]
    expected = Tally(jobs=1, attempts=1, unanswered=1, delivered=1, recovered=1)
    assert checked(*history).tally == expected


def test_a_job_that_was_never_acknowledged_and_never_seen_costs_nothing() -> None:
    found = checked(*enqueued(7, RAISED), read(7, NO)).tally
    assert found == Tally(jobs=1, attempts=1, unanswered=1)


def test_an_attempt_that_was_cut_off_by_a_crash_is_an_attempt_without_an_answer() -> None:
    found = checked((BEGUN, YES, P, 7, 0, 0), read(7, NO)).tally
    assert found == Tally(jobs=1, attempts=1, unanswered=1)


def test_a_job_that_the_queue_gave_up_on_is_told_apart_from_a_lost_one() -> None:
    found = checked(*enqueued(7, YES), given_to(W, 7, 20), read(7, GIVEN_UP)).tally
    assert (found.given_up, found.lost) == (1, Bounds())


def test_a_job_that_nobody_enqueued_is_unexpected() -> None:
    assert checked(given_to(W, 9, 20)).tally == Tally(unexpected=1)


def test_two_acknowledged_completions_of_one_job_double_it() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), completed(W, 7, 5_000)),
        *(given_to(V, 7, 2_000), completed(V, 7, 2_010)),
    ]
    assert checked(*history).doubled == (7,)


def test_handing_a_job_out_after_an_acknowledged_completion_doubles_it() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), completed(W, 7, 30)),
        *(given_to(V, 7, 3_000), completed(V, 7, 3_010, NO)),
    ]
    assert checked(*history).doubled == (7,)


def test_handing_a_job_out_while_its_lease_surely_runs_doubles_it() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), completed(W, 7, 500, RAISED)),
        *(given_to(V, 7, 100), completed(V, 7, 110)),
    ]
    assert checked(*history).doubled == (7,)


def test_handing_a_job_out_after_its_lease_is_allowed_and_counted() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), completed(W, 7, 2_500, NO)),
        *(given_to(V, 7, 1_500), completed(V, 7, 1_510)),
    ]
    found = checked(*history).tally
    assert (found.doubled, found.again, found.refused, found.delivered) == (Bounds(), 1, 1, 1)


def test_a_worker_that_heard_of_its_claim_when_its_lease_had_ended_is_no_second_one() -> None:
    frozen = (HANDED_OUT, YES, W, 7, 20, 20 + LEASE + 500)
    history = [
        *enqueued(7, YES),
        given_to(V, 7, 30 + LEASE),
        completed(V, 7, 40 + LEASE),
        frozen,
        completed(W, 7, frozen[5] + 1, NO),
    ]
    tally = checked(*history).tally
    assert (tally.doubled, tally.again, tally.refused) == (Bounds(0, 0), 1, 1)


def test_handing_a_job_out_after_its_worker_died_is_allowed_and_counted() -> None:
    history = [*enqueued(7, YES), given_to(W, 7, 20), given_to(V, 7, 100), completed(V, 7, 110)]
    assert (checked(*history).tally.doubled, checked(*history).tally.again) == (Bounds(), 1)


def test_a_completion_at_the_very_time_of_another_hand_out_leaves_open_whether_it_doubles() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), (COMPLETED, YES, W, 7, 1_500, 1_700)),
        *((HANDED_OUT, YES, V, 7, 1_600, 1_650), completed(V, 7, 1_710, NO)),
    ]
    assert checked(*history).tally.doubled == Bounds(0, 1)


def test_without_leases_a_job_may_be_handed_out_once() -> None:
    found = drained_by_midpipe(*enqueued(7, YES), given_to(M, 7, 20), given_to(M, 7, 90))
    assert (found.doubled, found.tally.delivered) == ((7,), 1)


def test_an_id_without_data_is_no_delivery() -> None:
    found = drained_by_midpipe(*enqueued(7, YES), given_to(M, 7, 20, EMPTY), read(7, NO))
    assert found.lost == (7,)


def test_a_producer_goes_on_with_the_job_that_has_no_answer() -> None:
    assert next_job(enqueued(8, YES), 4, 8) == 12
    assert next_job([*enqueued(8, YES), *enqueued(12, RAISED)], 4, 8) == 12
    assert next_job([], 4, 8) == 8


def test_a_torn_record_at_the_end_of_a_file_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "P1.bin"
    path.write_bytes(RECORD.pack(*enqueued(7, YES)[0]) + b"torn")
    assert list(read_records(path)) == enqueued(7, YES)[:1]
    assert list(LegFiles(tmp_path, ("P1", "gone")).records()) == enqueued(7, YES)[:1]


def test_a_job_is_told_in_the_order_of_what_happened() -> None:
    history = [completed(W, 7, 30), given_to(W, 7, 20), *enqueued(7, YES), *enqueued(8, YES)]
    lines = [told(record, ("P1", "W1")) for record in story_of(history, frozenset({7}))[7]]
    assert [line.split(maxsplit=3)[-1].split(" (")[0] for line in lines] == [
        "began to enqueue it",
        "enqueue answered True",
        "was given it",
        "complete answered True",
    ]


# --- any history, beside a simple checker -------------------------------------------------------------

TIMES = st.integers(0, 40).map(lambda n: n * 100)


@st.composite
def histories(draw: st.DrawFn) -> list[RawRecord]:
    """Some jobs, each with attempts, holders in any order, and perhaps a read at the end."""
    records: list[RawRecord] = []
    process = 10
    for job in range(draw(st.integers(1, 4))):
        records += enqueued(job, *draw(st.lists(st.sampled_from((YES, NO, RAISED)), max_size=3)))
        for _ in range(draw(st.integers(0, 3))):
            process += 1
            begun, took = draw(TIMES), draw(TIMES)
            records.append(
                (
                    HANDED_OUT,
                    draw(st.sampled_from((YES, YES, EMPTY))),
                    process,
                    job,
                    begun,
                    begun + took,
                )
            )
            at = begun + took
            for outcome in draw(st.sampled_from(((), (YES,), (NO,), (RAISED,), (RAISED, YES)))):
                lasted = draw(TIMES)
                records.append((COMPLETED, outcome, process, job, at, at + lasted))
                at += lasted
        outcome = draw(st.sampled_from((0, YES, NO, WAITING, RAISED, GIVEN_UP)))
        records += [read(job, outcome)] if outcome else []
    return records


def naive(records: list[RawRecord], completes: bool, lease: int | None, drained: bool) -> Tally:
    """Look at every job by itself, and at every pair of its holders, straight from the list."""
    jobs = {record[3] for record in records if record[0] == BEGUN}
    tally = Tally(unexpected=len({r[3] for r in records if r[:2] == (HANDED_OUT, YES)} - jobs))
    for job in jobs:
        tally += _naive_job(
            [record for record in records if record[3] == job], completes, lease, drained
        )
    refused = [
        r
        for r in records
        if r[0] == COMPLETED and r[1] == NO and (HANDED_OUT, YES, r[2]) in {q[:3] for q in records}
    ]
    return tally + Tally(refused=len(refused))


def _naive_job(known: list[RawRecord], completes: bool, lease: int | None, drained: bool) -> Tally:
    answered = any(r[0] == ENQUEUED and r[1] in (YES, NO) for r in known)
    end = next((r[1] for r in known if r[0] == READ), 0)
    given = sorted(
        (r for r in known if r[:2] == (HANDED_OUT, YES)), key=lambda r: (r[5], r[4], r[2])
    )
    ends = {g: [r for r in known if r[0] == COMPLETED and r[2] == g[2]] for g in given}
    done = {g: [r for r in ends[g] if r[1] == YES] for g in given}
    is_delivered = bool(given) if not completes else end == YES or any(done.values())
    sure, open_, again = sum(map(bool, done.values())) > 1, False, 0

    def word(early: RawRecord, late: RawRecord) -> str:
        has_died = not ends[early]
        has_lost = any(r[1] == NO and r[5] <= late[5] for r in ends[early])
        was_done = any(r[5] < late[4] for r in done[early])
        is_held = not (has_died or has_lost) and (lease is None or late[5] - early[4] < lease)
        if lease is None or was_done or is_held:
            return "doubled"
        return "open" if any(r[4] <= late[5] for r in done[early]) else "allowed"

    best = ("allowed", "open", "doubled").index
    for number, late in enumerate(given):
        words = []
        for early in given[:number]:
            either = [word(early, late)]
            if late[4] < early[5]:
                either.append(word(late, early))
            words.append(min(either, key=best))
        sure, open_ = sure or "doubled" in words, open_ or "open" in words
        again += bool(words) and set(words) == {"allowed"}
    is_missing = not is_delivered and end != GIVEN_UP and answered
    is_lost = is_missing and end in ((NO, YES, WAITING) if drained else (NO, YES))
    return Tally(
        jobs=1,
        attempts=sum(r[0] == BEGUN for r in known),
        acknowledged=int(answered),
        unanswered=int(not answered),
        delivered=int(is_delivered),
        recovered=int(is_delivered and not answered),
        lost=Bounds(int(is_lost), int(is_missing)),
        doubled=Bounds(int(sure), int(sure or open_)),
        again=again,
        given_up=int(end == GIVEN_UP and not is_delivered),
    )


@given(
    histories(), st.booleans(), st.sampled_from((None, 500, 1_500)), st.booleans(), st.integers()
)
def test_the_checker_agrees_with_a_simple_one_on_any_history(
    records: list[RawRecord], completes: bool, lease: int | None, drained: bool, seed: int
) -> None:
    # Processes write files of their own, so their records come in any order; a process's own stay in order.
    by_process: dict[int, list[RawRecord]] = {}
    for record in records:
        by_process.setdefault(record[2], []).append(record)
    groups = list(by_process.values())
    Random(seed).shuffle(groups)
    shuffled = [record for group in groups for record in group]
    found = check(shuffled, completes=completes, lease=lease, drained=drained)
    assert found.tally == naive(records, completes, lease, drained)
