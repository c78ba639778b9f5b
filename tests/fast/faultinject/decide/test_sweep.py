"""The sweep plans every fault at every position once, and its ledger adds up."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midpipe.faultinject.decide.counting import Counting
from midpipe.faultinject.decide.ledger import Covered, Ledger, LedgerRow, merged_row
from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.rounds import round_of
from midpipe.faultinject.decide.schedule import Schedule, fault_label, parse_schedule
from midpipe.faultinject.decide.sweep import Sweep, SweepFrontier
from midpipe.faultinject.faults import CATALOGUE, Priority, placeable, priority_of
from midpipe.faultinject.vocabulary import (
    Executed,
    FaultRef,
    Label,
    Point,
    Position,
    RunEnd,
    Step,
    WireEvent,
    WireIndex,
)


def event(ordinal: int, name: str = "HSET", inside: int = 0, *, is_write: bool = True) -> WireEvent:
    index = WireIndex(1, 1, ordinal, name, "ai:jobs:*")
    position = Position("A", ordinal, inside)
    return WireEvent(position, index, args=(b"x",), size=40, is_write=is_write, keys=(b"k",))


def run_all(sweep: Sweep, length: int, most: int = 1_000_000) -> list[Schedule]:
    """Run every case of a client that always sends the same commands, or the first ``most`` of them."""
    seen: list[Schedule] = []
    counting = Counting(sweep)
    while len(seen) < most and counting.begin():
        seen.append(sweep.current)
        steps = []
        for ordinal in range(1, length + 1):
            decision = counting.decide(Point((event(ordinal),)))
            steps.append(Step(decision.event, decision.fault, Executed.YES))
        counting.end(RunEnd(tuple(steps), valid=True))
    return seen


def total(rows: tuple[LedgerRow, ...], name: str) -> int:
    return sum(getattr(row, name) for row in rows)


def test_one_fault_at_every_position() -> None:
    seen = run_all(Sweep(1), 3)
    faults = len(placeable(event(1)))
    assert len(seen) == 1 + 3 * faults
    assert len(set(seen)) == len(seen)


def test_the_ledger_says_what_became_of_each_fault_at_each_position() -> None:
    sweep = Sweep(1, faults=lambda _: (FaultRef("lost-reply"),))
    counting = Counting(sweep)
    ends = {"": (True, ()), "A1:HSET": (True, ("no-orphan",)), "A2:HSET": (False, ())}
    for valid, violated in ends.values():
        counting.begin()
        steps = tuple(Step(event(n), None, Executed.YES) for n in range(1, 5))
        counting.end(RunEnd(steps, valid=valid, violated=violated))
    counting.begin()
    counting.end(RunEnd((), valid=True))
    rows = {row.fault: row.places for row in sweep.ledger.rows()}
    assert rows == {
        "none": {},
        "lost-reply": {
            "A1:HSET": Covered.VIOLATED,
            "A2:HSET": Covered.INVALID,
            "A3:HSET": Covered.RUN,
            "A4:HSET": Covered.NOT_REACHED,
        },
    }


def test_a_fault_left_out_by_a_rule_is_pruned_at_its_position() -> None:
    sweep = Sweep(1)
    sweep.begin()
    read = Step(event(1, "HGETALL", is_write=False), None, Executed.YES)
    sweep.end(RunEnd((read,), valid=True))
    late = next(row for row in sweep.ledger.rows() if row.fault == "late")
    assert late.places == {"A1:HGETALL": Covered.PRUNED}


def test_rows_of_several_shards_show_the_worst_of_each_place() -> None:
    mine, other = Ledger(), Ledger()
    for ledger in (mine, other):
        ledger.planned("stall", "A1:GET")
    mine.ended("stall", "A1:GET", valid=True, violated=False)
    other.ended("stall", "A1:GET", valid=True, violated=True)
    row = merged_row([*mine.rows("get"), *other.rows("get")])
    assert row.places == {"A1:GET": Covered.VIOLATED}


def test_two_faults_are_pairs_in_order_without_repetition() -> None:
    seen = run_all(Sweep(2), 3)
    faults = len(placeable(event(1)))
    pairs = [schedule for schedule in seen if len(schedule.faults) == 2]
    assert len(pairs) == len(set(pairs)) == 3 * faults * faults


def test_fewer_faults_come_first() -> None:
    counts = [len(schedule.faults) for schedule in run_all(Sweep(2), 2)]
    assert counts == sorted(counts)


def test_the_faults_that_find_the_most_come_first_at_every_position_and_those_that_wait_last() -> (
    None
):
    faults = [schedule.faults[0] for schedule in run_all(Sweep(1), 3) if schedule.faults]
    priorities = [priority_of(step.fault) for step in faults if step.fault]
    assert priorities == sorted(priorities)
    first = {
        (step.fault.name, str(step.position))
        for step in faults
        if step.fault and priority_of(step.fault) is Priority.FINDS_MOST
    }
    names = ("cut-before", "lost-reply", "torn-first", "torn-middle", "torn-last", "crash")
    assert first == {(name, place) for name in names for place in ("A1", "A2", "A3")}
    last = {
        step.fault.name
        for step in faults
        if step.fault and priority_of(step.fault) is Priority.WAITS
    }
    assert last == {"stall", "black-hole", "late", "pause", "freeze"}


def test_a_sweep_that_samples_runs_one_case_of_each_kind_after_what_finds_the_most() -> None:
    faults = [
        schedule.faults[0].fault for schedule in run_all(Sweep(samples=True), 3) if schedule.faults
    ]
    most = 3 * len([fault for fault in placeable(event(1)) if not priority_of(fault)])
    later = {fault.name for fault in placeable(event(1)) if priority_of(fault)}
    sampled = [fault.name for fault in faults[most : most + len(later)] if fault]
    assert len(sampled) == len(later) > 10
    assert set(sampled) == later
    rest = [priority_of(fault) for fault in faults[most + len(later) :] if fault]
    assert rest == sorted(rest)
    assert len(faults) == 3 * len(placeable(event(1)))


def test_a_sweep_that_samples_and_is_stopped_among_the_samples_is_still_in_its_first_round() -> (
    None
):
    cases = run_all(Sweep(samples=True), 2)
    most = 1 + 2 * len([fault for fault in placeable(event(1)) if not priority_of(fault)])
    first = Sweep(samples=True)
    seen = run_all(first, 2, most + 3)
    frontier = first.frontier()
    assert frontier is not None
    assert frontier.next_round == first.next_round == Priority.FINDS_MOST
    assert seen + run_all(Sweep(samples=True, frontier=frontier), 2) == cases


LOST_ANSWERS = ("lost-reply", "crash")


def test_of_those_the_lost_answers_come_first_at_every_position() -> None:
    faults = [schedule.faults[0] for schedule in run_all(Sweep(1), 3) if schedule.faults]
    first = [(step.fault.name, str(step.position)) for step in faults[:6] if step.fault]
    assert first == [(name, place) for place in ("A1", "A2", "A3") for name in LOST_ANSWERS]


@pytest.mark.parametrize("max_faults", [1, 2])
@settings(max_examples=20)
@given(data=st.data())
def test_a_sweep_that_is_stopped_resumes_with_the_next_case(
    max_faults: int, data: st.DataObject
) -> None:
    whole = Sweep(max_faults)
    cases = run_all(whole, 2)
    most = data.draw(st.integers(1, len(cases)))
    first = Sweep(max_faults)
    seen = run_all(first, 2, most)
    frontier = first.frontier()
    if frontier is None:
        assert seen == cases
        return
    second = Sweep(max_faults, frontier=frontier)
    assert second.begin()
    assert round_of(second.current) == frontier.next_round
    again = Sweep(max_faults, frontier=frontier)
    assert seen + run_all(again, 2) == cases
    assert again.ledger.rows() == whole.ledger.rows()


def test_the_space_is_known_after_the_run_without_faults() -> None:
    sweep = Sweep(1)
    run_all(sweep, 3, 1)
    frontier = sweep.frontier()
    assert isinstance(frontier, SweepFrontier)
    rows, whole = frontier.ledger.rows(), Sweep(1)
    run_all(whole, 3)
    assert [(row.fault, row.space) for row in rows] == [
        (row.fault, row.space) for row in whole.ledger.rows()
    ]


@pytest.mark.parametrize("shards", [2, 3, 5])
def test_shards_are_a_partition(shards: int) -> None:
    whole = run_all(Sweep(1), 3)
    parts = [run_all(Sweep(1, (index, shards)), 3) for index in range(shards)]
    counted = Counter(schedule for part in parts for schedule in part if schedule.faults)
    assert counted == Counter(schedule for schedule in whole if schedule.faults)


def test_only_the_first_shard_counts_the_run_without_faults() -> None:
    shards = [Sweep(1, (index, 2)) for index in range(2)]
    for sweep in shards:
        run_all(sweep, 3)
    rows = [row for sweep in shards for row in sweep.ledger.rows() if row.fault == "none"]
    assert [(row.space, row.run) for row in rows] == [(1, 1)]


@given(st.integers(0, 5), st.integers(0, 2))
def test_the_ledger_adds_up(length: int, max_faults: int) -> None:
    sweep = Sweep(max_faults)
    cases = len(run_all(sweep, length))
    rows = sweep.ledger.rows()
    assert total(rows, "run") == cases
    for row in rows:
        assert row.space == row.run + row.pruned + row.not_reached + row.invalid


def test_a_planned_case_that_was_not_run_counts_as_not_reached() -> None:
    sweep = Sweep(1)
    counting = Counting(sweep)
    counting.begin()
    step = Step(event(1), None, Executed.YES)
    counting.end(RunEnd((step,), valid=True))
    assert total(sweep.ledger.rows(), "not_reached") == len(placeable(event(1)))


def test_a_fault_free_run_that_is_invalid_has_no_children() -> None:
    sweep = Sweep(1)
    sweep.begin()
    sweep.end(RunEnd((Step(event(1), None, Executed.YES),), valid=False, invalid_reason="left"))
    assert not sweep.begin()


def test_a_late_read_is_pruned_by_its_named_rule() -> None:
    sweep = Sweep(1)
    sweep.begin()
    sweep.end(RunEnd((Step(event(1, "HGETALL", is_write=False), None, Executed.YES),), valid=True))
    late = [row for row in sweep.ledger.rows() if row.fault.startswith("late")]
    assert [(row.pruned, row.pruned_by) for row in late] == [(1, {"late-read": 1})] * 2


def test_a_replay_places_its_fault_once() -> None:
    replay = Replay(parse_schedule("A2:HSET!lost-reply", CATALOGUE))
    assert replay.begin()
    decisions = [replay.decide(Point((event(ordinal),))) for ordinal in (1, 2, 3)]
    assert [fault_label(Schedule()), *(str(d.fault) for d in decisions)] == [
        "none",
        "None",
        "lost-reply",
        "None",
    ]
    assert replay.unplaced == ()


def test_a_replay_reports_a_command_that_has_changed() -> None:
    replay = Replay(parse_schedule("A1:RPUSH!lost-reply", CATALOGUE))
    assert replay.decide(Point((event(1, "EVALSHA"),))).fault is None
    assert replay.unplaced == ("A1 is now EVALSHA, and the schedule expects RPUSH.",)


def test_a_replay_reports_a_command_that_was_never_sent() -> None:
    replay = Replay(parse_schedule("A9!lost-reply", CATALOGUE))
    replay.decide(Point((event(1),)))
    assert "never sent its command number 9" in replay.unplaced[0]


def labelled(name: str, occurrence: int = 1) -> WireEvent:
    """Return an event that has a label; its number is none by which it could be found again."""
    index = WireIndex(1, 1, 1, name, "jobs")
    label = Label("A", name, "jobs", occurrence=occurrence)
    return WireEvent(
        Position("A", 1), index, args=(b"x",), size=40, is_write=True, keys=(b"k",), label=label
    )


def run_by_label(sweep: Sweep, orders: list[list[WireEvent]]) -> list[tuple[str, str]]:
    """Run every case, each with the next order of events; return where each fault was planned and happened."""
    placed = []
    number = 0
    while sweep.begin():
        order = orders[number % len(orders)]
        number += 1
        decisions = [sweep.decide(Point((each,))) for each in order]
        happened = [str(d.event.label) for d in decisions if d.fault]
        for step, where in zip(sweep.current.faults, happened, strict=False):
            placed.append((str(step.position), where))
        steps = tuple(Step(d.event, d.fault, Executed.YES) for d in decisions)
        is_placed = len(happened) == len(sweep.current.faults)
        sweep.end(RunEnd(steps, valid=is_placed))
    return placed


def test_faults_are_placed_at_the_same_commands_in_whatever_order_those_come() -> None:
    push, ack, beat = labelled("RPUSH"), labelled("LREM"), labelled("ZADD")
    orders = [[push, beat, ack], [beat, push, ack], [push, ack, beat]]
    placed = run_by_label(Sweep(1, by_label=True), orders)
    assert placed
    assert all(planned == happened for planned, happened in placed)
    faults = len(placeable(push))
    assert Counter(planned for planned, _ in placed) == {
        str(each.label): faults for each in (push, ack, beat)
    }


def test_a_fault_happens_once_although_polls_that_find_nothing_share_a_label() -> None:
    poll, push = labelled("RPOP"), labelled("RPUSH")
    placed = run_by_label(Sweep(1, by_label=True), [[poll, push], [poll, poll, poll, push]])
    assert Counter(placed) == {
        (str(each.label), str(each.label)): len(placeable(each)) for each in (poll, push)
    }


def test_a_command_that_only_a_later_run_sends_is_a_position_as_well() -> None:
    push, beat = labelled("RPUSH"), labelled("ZADD")
    placed = run_by_label(Sweep(1, by_label=True), [[push], [beat, push], [beat, push]])
    assert str(beat.label) in {planned for planned, _ in placed}


def test_a_sweep_by_label_that_is_stopped_plans_nothing_twice() -> None:
    order = [labelled("RPUSH"), labelled("LREM")]
    sweep = Sweep(1, by_label=True)
    assert sweep.begin()
    steps = tuple(Step(sweep.decide(Point((each,))).event, None, Executed.YES) for each in order)
    sweep.end(RunEnd(steps, valid=True))
    resumed = Sweep(1, frontier=sweep.frontier())
    assert run_by_label(resumed, [order]) == run_by_label(sweep, [order])
