"""Replaying a schedule: what is placed where, and a run that is made again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.schedule import parse_schedule
from midpipe.faultinject.vocabulary import FaultRef, Label, Point, WireEvent
from tests.fast.faultinject.decide.test_interleave import event

FAULTS = ("cut-before",)
A1, A2 = event("A", 1, ("k", True)), event("A", 2, ("k", True))


def faults_of(replay: Replay) -> list[FaultRef | None]:
    """Return what happens to each of the client's two commands."""
    return [replay.decide(Point((command,), "A")).fault for command in (A1, A2)]


def test_a_fault_is_placed_at_its_command() -> None:
    replay = Replay(parse_schedule("A2!cut-before", FAULTS))
    assert faults_of(replay) == [None, FaultRef("cut-before")]
    assert replay.unplaced == ()


def test_a_command_that_is_never_sent_is_named() -> None:
    replay = Replay(parse_schedule("A3!cut-before", FAULTS))
    assert faults_of(replay) == [None, None]
    assert [sentence.partition(":")[0] for sentence in replay.unplaced] == ["A3"]


def test_a_fault_is_not_placed_at_another_command_than_it_was_planned_for() -> None:
    replay = Replay(parse_schedule("A2:DEL!cut-before", FAULTS))
    assert faults_of(replay) == [None, None]
    assert len(replay.unplaced) == 1


def test_a_run_that_is_made_again_places_the_same_faults() -> None:
    replay = Replay(parse_schedule("A2!cut-before A3!cut-before", FAULTS))
    runs = []
    for _ in range(2):
        replay.restart()
        runs.append((faults_of(replay), replay.unplaced))
    assert runs[0] == runs[1]
    assert runs[0][0] == [None, FaultRef("cut-before")]


def test_a_labelled_step_is_placed_wherever_its_command_comes() -> None:
    push, beat = (
        replace(each, label=Label("A", name, "jobs"))
        for each, name in ((A1, "RPUSH"), (A2, "ZADD"))
    )
    replay = Replay(parse_schedule("A:RPUSH:jobs#1!cut-before", FAULTS))
    for order in ((push, beat), (beat, push), (push, push, beat)):
        replay.restart()
        decisions = [replay.decide(Point((command,), "A")) for command in order]
        faulted = [decision.event.label for decision in decisions if decision.fault]
        assert faulted == [push.label]
        assert replay.unplaced == ()


def test_a_labelled_command_that_is_never_sent_is_named() -> None:
    replay = Replay(parse_schedule("A:RPUSH:jobs#1!cut-before", FAULTS))
    assert faults_of(replay) == [None, None]
    assert replay.unplaced == ("A:RPUSH:jobs#1: the client never sent that command.",)


def labelled(client: str, ordinal: int, name: str, occurrence: int = 1) -> WireEvent:
    sent = Label(client, name, "jobs", occurrence=occurrence)
    return replace(event(client, ordinal, ("k", True)), label=sent)


ORDER = "A:LPOP:jobs#1 A:LPOP:jobs#1 B:RPUSH:jobs#1 A:SET:jobs#1"
PUSH = labelled("B", 1, "RPUSH")


@pytest.mark.parametrize(
    ("sent_by_a", "order"),
    [
        (("LPOP", "LPOP", "SET"), ["LPOP", "LPOP", "RPUSH", "SET"]),
        (("LPOP", "SET"), ["LPOP", "RPUSH", "SET"]),
        (("ZADD", "LPOP", "LPOP", "SET"), ["ZADD", "LPOP", "LPOP", "RPUSH", "SET"]),
        (("LPOP", "LPOP", "ZADD", "SET"), ["LPOP", "LPOP", "RPUSH", "ZADD", "SET"]),
    ],
)
def test_an_order_in_labels_stays_the_same_with_a_poll_more_or_fewer(
    sent_by_a: tuple[str, ...], order: list[str]
) -> None:
    replay = Replay(parse_schedule(ORDER, FAULTS))
    left = {"A": [labelled("A", n, name) for n, name in enumerate(sent_by_a, 1)], "B": [PUSH]}
    decided: list[WireEvent] = []
    while waiting := tuple(events[0] for events in left.values() if events):
        last = decided[-1].position.client if decided else None
        decided.append(replay.decide(Point(waiting, last)).event)
        left[decided[-1].position.client].pop(0)
    assert [each.label.command for each in decided if each.label] == order
    assert replay.unplaced == ()


def test_an_order_in_labels_whose_command_is_never_sent_is_not_placed() -> None:
    replay = Replay(parse_schedule(ORDER, FAULTS))
    replay.decide(Point((labelled("A", 1, "LPOP"),), None))
    replay.decide(Point((PUSH,), None))
    assert replay.unplaced == ("A:SET:jobs#1: the client never sent that command.",)
