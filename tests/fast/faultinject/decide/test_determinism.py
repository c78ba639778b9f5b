"""The determinism check: a run that repeats the beginning of another must meet the same events there."""

from __future__ import annotations

import pytest

from midpipe.faultinject.decide.decider import SingleRun
from midpipe.faultinject.decide.determinism import DeterminismCheck
from midpipe.faultinject.decide.schedule import Schedule
from midpipe.faultinject.vocabulary import Decision, Point, Position, WireEvent, WireIndex


def event(client: str, name: str, ordinal: int = 1, inside: int = 0) -> WireEvent:
    return WireEvent(
        position=Position(client, ordinal, inside),
        index=WireIndex(1, 1, ordinal, name, "k"),
        args=(name.encode(), b"k"),
        size=20,
        is_write=True,
        keys=(b"k",),
    )


class Repeats(SingleRun):
    """Decides a run that should begin with GET by A."""

    current = Schedule()
    repeated = (event("A", "GET"),)

    def restart(self) -> None:
        return

    def decide(self, point: Point) -> Decision:
        return Decision(point.choices[0])


def diverged(*points: Point) -> str:
    check = DeterminismCheck(Repeats())
    for point in points:
        check.decide(point)
    return check.diverged


@pytest.mark.parametrize(
    "points",
    [
        pytest.param((), id="before the first event"),
        pytest.param((Point((event("A", "GET"), event("B", "SET"))),), id="the same event"),
        pytest.param(
            (Point((event("A", "GET"),)), Point((event("A", "SET", 2),))),
            id="another event after the repeated ones",
        ),
        pytest.param(
            (Point((event("B", "SET", inside=2),)), Point((event("A", "GET"),))),
            id="a command inside MULTI, where nothing is decided",
        ),
    ],
)
def test_a_run_that_repeats_the_events_has_not_diverged(points: tuple[Point, ...]) -> None:
    assert diverged(*points) == ""


def test_another_command_at_the_position_is_reported_with_both() -> None:
    assert diverged(Point((event("A", "PING"),))) == (
        "at wire event A1, once operation 1, attempt 1, command 1: GET k, "
        "once operation 1, attempt 1, command 1: PING k"
    )


def test_a_client_that_does_not_wait_is_reported() -> None:
    assert "no command of A that waits" in diverged(Point((event("B", "SET"),)))


def test_the_first_difference_is_kept() -> None:
    first = diverged(Point((event("A", "PING"),)))
    assert diverged(Point((event("A", "PING"),)), Point((event("A", "SET"),))) == first
