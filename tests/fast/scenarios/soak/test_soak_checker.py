"""The soak's checker on small histories as literals, and on drawn ones beside a checker that is simple and slow."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from midpipe.scenarios.soak.checker import Bounds, CheckResult, Tally, check, records_of
from midpipe.scenarios.soak.history import RawRecord, SegmentFiles, next_job, read_records
from midpipe.scenarios.soak.record_text import record_text
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


def checked(*records: RawRecord, drained: bool = True) -> CheckResult:
    return check(records, completes=True, lease=LEASE, drained=drained)


def drained_by_midpipe(*records: RawRecord) -> CheckResult:
    return check(records, completes=False, lease=None)


def test_an_empty_history_has_no_jobs() -> None:
    assert checked().tally == Tally()


def test_a_completed_job_is_delivered() -> None:
    history = [*enqueued(7, YES), given_to(W, 7, 20), completed(W, 7, 30)]
    assert checked(*history).tally == Tally(jobs=1, attempts=1, acknowledged=1, delivered=1)


def test_an_acknowledged_job_that_does_not_exist_at_the_end_is_lost() -> None:
    found = checked(*enqueued(7, RAISED, NO), read(7, NO))
    assert found.lost == (7,)
    assert found.tally == Tally(jobs=1, attempts=2, acknowledged=1, lost=Bounds(1, 1))


def test_an_acknowledged_job_that_still_waits_after_the_drain_is_lost() -> None:
    assert checked(*enqueued(7, YES), read(7, WAITING)).tally.lost == Bounds(1, 1)


def test_a_job_that_still_waits_may_be_lost_if_the_drain_was_cut_short() -> None:
    found = checked(*enqueued(7, YES), read(7, WAITING), drained=False)
    assert found.tally.lost == Bounds(0, 1)


def test_a_job_whose_final_read_raised_may_be_lost() -> None:
    assert checked(*enqueued(7, YES), read(7, RAISED)).tally.lost == Bounds(0, 1)


def test_a_job_without_a_final_read_is_unresolved() -> None:
    history = [*enqueued(7, YES), given_to(W, 7, 20), completed(W, 7, 30, RAISED)]
    assert checked(*history).unresolved == (7,)


def test_a_job_that_reads_as_completed_is_delivered_even_if_complete_raised() -> None:
    history = [*enqueued(7, YES), given_to(W, 7, 20), completed(W, 7, 30, RAISED), read(7, YES)]
    assert checked(*history).tally == Tally(jobs=1, attempts=1, acknowledged=1, delivered=1)


def test_a_delivered_job_that_was_never_acknowledged_is_recovered() -> None:
    history = [*enqueued(7, RAISED), given_to(W, 7, 20), completed(W, 7, 30)]
    expected = Tally(jobs=1, attempts=1, unanswered=1, delivered=1, recovered=1)
    assert checked(*history).tally == expected


def test_an_unacknowledged_job_that_does_not_exist_is_not_lost() -> None:
    found = checked(*enqueued(7, RAISED), read(7, NO)).tally
    assert found == Tally(jobs=1, attempts=1, unanswered=1)


def test_an_enqueue_that_a_crash_cut_off_counts_as_unanswered() -> None:
    found = checked((BEGUN, YES, P, 7, 0, 0), read(7, NO)).tally
    assert found == Tally(jobs=1, attempts=1, unanswered=1)


def test_a_job_that_the_queue_reports_as_failed_for_good_is_not_lost() -> None:
    found = checked(*enqueued(7, YES), given_to(W, 7, 20), read(7, GIVEN_UP)).tally
    assert (found.given_up, found.lost) == (1, Bounds())


def test_a_job_that_was_never_enqueued_is_unexpected() -> None:
    assert checked(given_to(W, 9, 20)).tally == Tally(unexpected=1)


def test_two_acknowledged_completions_of_one_job_duplicate_it() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), completed(W, 7, 5_000)),
        *(given_to(V, 7, 2_000), completed(V, 7, 2_010)),
    ]
    assert checked(*history).duplicated == (7,)


def test_redelivery_after_an_acknowledged_completion_duplicates_a_job() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), completed(W, 7, 30)),
        *(given_to(V, 7, 3_000), completed(V, 7, 3_010, NO)),
    ]
    assert checked(*history).duplicated == (7,)


def test_redelivery_while_the_lease_certainly_runs_duplicates_a_job() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), completed(W, 7, 500, RAISED)),
        *(given_to(V, 7, 100), completed(V, 7, 110)),
    ]
    assert checked(*history).duplicated == (7,)


def test_redelivery_after_the_lease_has_ended_is_allowed_and_counted() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), completed(W, 7, 2_500, NO)),
        *(given_to(V, 7, 1_500), completed(V, 7, 1_510)),
    ]
    found = checked(*history).tally
    assert (found.duplicated, found.redelivered, found.refused, found.delivered) == (
        Bounds(),
        1,
        1,
        1,
    )


def test_a_frozen_worker_that_reads_its_claim_after_the_lease_does_not_duplicate_the_job() -> None:
    frozen = (HANDED_OUT, YES, W, 7, 20, 20 + LEASE + 500)
    history = [
        *enqueued(7, YES),
        given_to(V, 7, 30 + LEASE),
        completed(V, 7, 40 + LEASE),
        frozen,
        completed(W, 7, frozen[5] + 1, NO),
    ]
    tally = checked(*history).tally
    assert (tally.duplicated, tally.redelivered, tally.refused) == (Bounds(0, 0), 1, 1)


def test_redelivery_after_the_worker_died_is_allowed_and_counted() -> None:
    history = [*enqueued(7, YES), given_to(W, 7, 20), given_to(V, 7, 100), completed(V, 7, 110)]
    assert (checked(*history).tally.duplicated, checked(*history).tally.redelivered) == (
        Bounds(),
        1,
    )


def test_a_completion_concurrent_with_a_redelivery_may_duplicate_the_job() -> None:
    history = [
        *enqueued(7, YES),
        *(given_to(W, 7, 20), (COMPLETED, YES, W, 7, 1_500, 1_700)),
        *((HANDED_OUT, YES, V, 7, 1_600, 1_650), completed(V, 7, 1_710, NO)),
    ]
    assert checked(*history).tally.duplicated == Bounds(0, 1)


def test_without_leases_a_job_may_be_handed_out_only_once() -> None:
    found = drained_by_midpipe(*enqueued(7, YES), given_to(M, 7, 20), given_to(M, 7, 90))
    assert (found.duplicated, found.tally.delivered) == ((7,), 1)


def test_an_id_without_data_is_not_a_delivery() -> None:
    found = drained_by_midpipe(*enqueued(7, YES), given_to(M, 7, 20, EMPTY), read(7, NO))
    assert found.lost == (7,)


def test_a_restarted_producer_continues_with_the_first_unacknowledged_job() -> None:
    assert next_job(enqueued(8, YES), 4, 8) == 12
    assert next_job([*enqueued(8, YES), *enqueued(12, RAISED)], 4, 8) == 12
    assert next_job([], 4, 8) == 8


def test_a_torn_record_at_the_end_of_a_file_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "P1.bin"
    path.write_bytes(RECORD.pack(*enqueued(7, YES)[0]) + b"torn")
    assert list(read_records(path)) == enqueued(7, YES)[:1]
    assert list(SegmentFiles(tmp_path, ("P1", "gone")).records()) == enqueued(7, YES)[:1]


def test_the_records_of_a_job_are_in_the_order_of_events() -> None:
    history = [completed(W, 7, 30), given_to(W, 7, 20), *enqueued(7, YES), *enqueued(8, YES)]
    lines = [record_text(record, ("P1", "W1")) for record in records_of(history, frozenset({7}))[7]]
    assert [line.split(maxsplit=3)[-1].split(" (")[0] for line in lines] == [
        "enqueue was called",
        "enqueue returned True",
        "received the job",
        "complete returned True",
    ]


# --- any history, beside a simple checker -------------------------------------------------------------

TIMES = st.integers(0, 40).map(lambda n: n * 100)


@st.composite
def histories(draw: st.DrawFn) -> list[RawRecord]:
    """A few jobs, each with attempts, deliveries in any order, and perhaps a final read."""
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
    """Check each job alone, and each pair of its deliveries, straight from the list."""
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
    sure, open_, redelivered = sum(map(bool, done.values())) > 1, False, 0

    def verdict(early: RawRecord, late: RawRecord) -> str:
        has_died = not ends[early]
        has_lost = any(r[1] == NO and r[5] <= late[5] for r in ends[early])
        was_done = any(r[5] < late[4] for r in done[early])
        is_held = not (has_died or has_lost) and (lease is None or late[5] - early[4] < lease)
        if lease is None or was_done or is_held:
            return "duplicated"
        return "open" if any(r[4] <= late[5] for r in done[early]) else "allowed"

    best = ("allowed", "open", "duplicated").index
    for number, late in enumerate(given):
        verdicts = []
        for early in given[:number]:
            either = [verdict(early, late)]
            if late[4] < early[5]:
                either.append(verdict(late, early))
            verdicts.append(min(either, key=best))
        sure, open_ = sure or "duplicated" in verdicts, open_ or "open" in verdicts
        redelivered += bool(verdicts) and set(verdicts) == {"allowed"}
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
        duplicated=Bounds(int(sure), int(sure or open_)),
        redelivered=redelivered,
        given_up=int(end == GIVEN_UP and not is_delivered),
        ended_leases=sum(not ends[g] or any(r[1] == NO for r in ends[g]) for g in given)
        * (lease is not None),
    )


@given(
    histories(), st.booleans(), st.sampled_from((None, 500, 1_500)), st.booleans(), st.integers()
)
def test_the_checker_agrees_with_a_simple_one_on_any_history(
    records: list[RawRecord], completes: bool, lease: int | None, drained: bool, seed: int
) -> None:
    # Each process writes its own file, so only the records of one process are in order.
    by_process: dict[int, list[RawRecord]] = {}
    for record in records:
        by_process.setdefault(record[2], []).append(record)
    groups = list(by_process.values())
    Random(seed).shuffle(groups)
    shuffled = [record for group in groups for record in group]
    found = check(shuffled, completes=completes, lease=lease, drained=drained)
    assert found.tally == naive(records, completes, lease, drained)
