"""A run decided by numbers: 0 keeps the written order, other numbers give other orders; faults are placed by call."""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.faultinject.decide.drawn import Drawn, FaultAt
from midpipe.faultinject.vocabulary import FaultRef, Point, Position, WireEvent, WireIndex

CUT = FaultRef("cut-before")


def event(client: str, operation: int, command: int, ordinal: int, attempt: int = 1) -> WireEvent:
    return WireEvent(
        position=Position(client, ordinal),
        index=WireIndex(operation, attempt, command, "SET", "k"),
        args=(b"SET", b"k", b"v"),
        size=20,
        is_write=True,
        keys=(b"k",),
    )


def run(drawn: Drawn, calls: dict[str, list[int]]) -> str:
    """Let clients send their calls, each a number of commands; return the schedule that was decided."""
    left = {
        client: [
            (operation, command)
            for operation, commands in enumerate(counts, 1)
            for command in range(1, commands + 1)
        ]
        for client, counts in calls.items()
    }
    sent = dict.fromkeys(calls, 0)
    last = None
    drawn.begin()
    while any(left.values()):
        waiting = tuple(event(c, *todo[0], sent[c] + 1) for c, todo in left.items() if todo)
        last = drawn.decide(Point(waiting, last)).event.position.client
        left[last].pop(0)
        sent[last] += 1
    return str(drawn.current)


def drawn(picks: Sequence[int], *faults: FaultAt, order: Sequence[str] = ()) -> Drawn:
    return Drawn(picks, faults, lambda _: (CUT,), order)


def test_without_numbers_the_calls_run_in_the_order_in_which_they_were_written() -> None:
    assert run(drawn((), order="ABA"), {"A": [2, 1], "B": [1]}) == "A1 A2 B1 A3"


def test_without_an_order_a_client_goes_on_as_long_as_it_can() -> None:
    assert run(drawn(()), {"A": [2, 1], "B": [1]}) == "A1 A2 A3 B1"


def test_a_number_lets_another_client_go_first() -> None:
    assert run(drawn((0, 1), order="AB"), {"A": [2], "B": [1]}) == "A1 B1 A2"


def test_a_number_beyond_the_choices_is_taken_modulo() -> None:
    orders = {run(drawn((number,), order="AB"), {"A": [1], "B": [1]}) for number in (1, 3, 5)}
    assert orders == {"B1 A1"}


def test_a_fault_is_placed_by_what_its_client_is_doing() -> None:
    fault = FaultAt("A", 2, 1, CUT)
    assert run(drawn((), fault), {"A": [2, 1], "B": [1]}) == "A1 A2 A3:SET!cut-before B1"


def test_a_fault_that_cannot_happen_at_its_event_is_not_placed() -> None:
    fault = FaultAt("A", 1, 1, FaultRef("freeze"))
    assert run(drawn((), fault), {"A": [1]}) == "A1"


def test_a_fault_at_a_second_attempt_leaves_the_first_alone() -> None:
    planned = FaultAt("A", 1, 1, CUT, attempt=2)
    first, again = event("A", 1, 1, 1), event("A", 1, 1, 2, attempt=2)
    assert (planned.is_at(first), planned.is_at(again)) == (False, True)


def test_a_restarted_run_is_decided_the_same() -> None:
    decided = drawn((0, 1), order="AB")
    once = run(decided, {"A": [2], "B": [1]})
    decided.restart()
    assert run(decided, {"A": [2], "B": [1]}) == once
