"""What disables outcome prediction for a program: after a first run, a second one that contradicts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from midpipe.faultinject.decide.outcome_prediction import OutcomePrediction
from midpipe.faultinject.decide.pruning import EVERY_SCRIPT, Independence, script_called
from midpipe.faultinject.vocabulary import (
    Decision,
    Executed,
    FaultRef,
    Observed,
    Position,
    Step,
    WireEvent,
    WireIndex,
)

Run = tuple[tuple[tuple[WireEvent, ...], ...], tuple[Observed, ...]]
SCRIPT = (b"EVAL", b"return 1", b"1", b"a")
A_HOLDS, B_HOLDS = {"a": "A"}, {"b": "B"}


def sent(client_id: str, *words: str, ordinal: int = 1) -> WireEvent:
    index = WireIndex(1, 1, ordinal, words[0], words[1])
    args = tuple(word.encode() for word in words)
    position = Position(client_id, ordinal)
    return WireEvent(position, index, args=args, size=40, keys=(args[1],), is_write=True)


A, B = sent("A", "SET", "a", "A"), sent("B", "SET", "b", "B")


def seen(event: WireEvent, before: Mapping[str, str], after: Mapping[str, str]) -> Observed:
    return Observed(Step(event, None, Executed.YES), before, after, b"+OK\r\n")


def run_of(a: WireEvent = A, b: WireEvent = B) -> Run:
    """Return a run in which A writes its key, and B then its own."""
    return ((a, b), (b,)), (seen(a, {}, A_HOLDS), seen(b, A_HOLDS, A_HOLDS | B_HOLDS))


def is_disabled_after(*runs: Run, independence: Independence | None = None) -> bool:
    outcome_prediction = OutcomePrediction(independence or Independence())
    for points, observed in runs:
        outcome_prediction.learn(points, observed)
    return outcome_prediction.is_disabled


def test_a_second_run_that_agrees_disables_nothing() -> None:
    assert not is_disabled_after(run_of(), run_of())


def test_a_trusted_script_disables_nothing() -> None:
    assert not is_disabled_after(run_of(replace(A, args=SCRIPT)))


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(
            (((A, B), (B,)), (seen(A, B_HOLDS, A_HOLDS | B_HOLDS), seen(B, A_HOLDS, A_HOLDS))),
            id="another start state",
        ),
        pytest.param((((A,),), (seen(A, {}, A_HOLDS),)), id="a client that sends nothing"),
        pytest.param(run_of(b=sent("B", "SET", "b", "C")), id="another first command"),
        pytest.param(run_of(b=replace(B, keys=None)), id="a command that touches other keys"),
        pytest.param(
            run_of(b=replace(B, index=replace(B.index, operation=2))),
            id="a command of another call",
        ),
        pytest.param(
            (((A, B), (B,)), (seen(A, {}, A_HOLDS), seen(B, {}, B_HOLDS))),
            id="a key that changed between two commands",
        ),
        pytest.param(
            (((A, B), (B,)), (seen(A, {}, B_HOLDS), seen(B, B_HOLDS, B_HOLDS))),
            id="a key that the command does not name",
        ),
        pytest.param(
            (((A, B), ()), (seen(A, {}, A_HOLDS), seen(B, A_HOLDS, A_HOLDS | B_HOLDS))),
            id="a client that finishes without a reply",
        ),
        pytest.param(
            (
                ((A, B), (B,)),
                (
                    seen(A, {}, A_HOLDS),
                    seen(replace(B, position=Position("B", 2)), A_HOLDS, A_HOLDS),
                ),
            ),
            id="a command that was not pending",
        ),
    ],
)
def test_prediction_is_disabled_by(second: Run) -> None:
    assert is_disabled_after(run_of(), second)


def predicts(outcome_prediction: OutcomePrediction, fault: FaultRef | None = None) -> bool:
    """Whether the order in which B goes first, with a fault or without, is predicted and has no new outcome."""
    faults = iter((fault, None))
    return outcome_prediction.predicts_nothing_new(
        lambda point: Decision(point.choices[-1], next(faults))
    )


def learned(*runs: Run) -> OutcomePrediction:
    outcome_prediction = OutcomePrediction(Independence())
    for points, observed in runs:
        outcome_prediction.learn(points, observed)
    return outcome_prediction


B_FIRST = ((A, B), (A,)), (seen(B, {}, B_HOLDS), seen(A, B_HOLDS, A_HOLDS | B_HOLDS))


def test_an_order_that_was_run_has_no_new_outcome() -> None:
    assert predicts(learned(B_FIRST))


def test_a_command_whose_effect_differed_is_not_predicted() -> None:
    other = {"b": "something else"}
    differs = ((A, B), (A,)), (seen(B, {}, other), seen(A, other, A_HOLDS | other))
    assert not predicts(learned(B_FIRST, differs, B_FIRST))


def test_a_fault_that_affects_more_than_one_connection_is_not_predicted() -> None:
    """Not even after a run with it."""
    points, (first, second) = B_FIRST
    late = FaultRef("late")
    hit = replace(first, step=replace(first.step, fault=late))
    assert not predicts(learned(B_FIRST, (points, (hit, second))), late)


@pytest.mark.parametrize(
    "event",
    [sent("A", "TTL", "a"), sent("A", "SET", "job-1700000000000", "A")],
    ids=["an unpredictable command", "a key that differs between runs"],
)
def test_prediction_is_disabled_from_the_first_run_by(event: WireEvent) -> None:
    points = ((event, B), (B,))
    assert is_disabled_after((points, (seen(event, {}, {}), seen(B, {}, B_HOLDS))))


@pytest.mark.parametrize(
    "independence",
    [
        Independence(unpredictable_scripts=[script_called(SCRIPT)]),
        Independence(untrusted_scripts=[EVERY_SCRIPT]),
    ],
    ids=[
        "a script with an unpredictable command",
        "a server that does not show the commands of scripts",
    ],
)
def test_prediction_is_disabled_by_a_script(independence: Independence) -> None:
    assert is_disabled_after(run_of(replace(A, args=SCRIPT)), independence=independence)


def test_an_untrusted_script_may_change_any_key() -> None:
    script = replace(A, args=SCRIPT)
    run = ((script, B), (B,)), (seen(script, {}, B_HOLDS), seen(B, B_HOLDS, B_HOLDS))
    known = Independence(untrusted_scripts=[script_called(SCRIPT)])
    assert (is_disabled_after(run), is_disabled_after(run, independence=known)) == (True, False)
