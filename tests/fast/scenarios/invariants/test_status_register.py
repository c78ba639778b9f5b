"""The checker of a job's status against one that tries every order, on small histories; and what registers do."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midpipe.scenarios.invariants.linearizability import Answer
from midpipe.scenarios.invariants.status_register import RANKS, Event, Seen, Set, check_status


def could_be(events: tuple[Event, ...]) -> bool:
    """Whether some order of the calls, each within its time, is a register's."""
    for order in permutations(events):
        in_time = all(
            not later.end < earlier.start
            for number, earlier in enumerate(order)
            for later in order[number + 1 :]
        )
        if not in_time:
            continue
        statuses = {"pending"}
        for event in order:
            if isinstance(event, Seen):
                statuses &= {event.status}
            else:
                statuses = {
                    after
                    for status in statuses
                    for after in (event.status, status)
                    if after == event.status
                    or not event.surely
                    or RANKS[event.status] <= RANKS[status]
                }
        if statuses:
            return True
    return False


@st.composite
def histories(draw: st.DrawFn) -> tuple[Event, ...]:
    count = draw(st.integers(0, 5))
    moments = draw(st.permutations(range(2 * count)))
    events: list[Event] = []
    for number in range(count):
        start, end = sorted(moments[2 * number : 2 * number + 2])
        status = draw(st.sampled_from(sorted(RANKS)))
        if draw(st.booleans()):
            events.append(Set(status, start, end, draw(st.booleans())))
        else:
            events.append(Seen(status, start, end))
    return tuple(events)


@settings(max_examples=max(400, settings().max_examples))
@given(histories())
def test_the_answer_equals_that_of_trying_every_order(events: tuple[Event, ...]) -> None:
    assert (check_status(events).answer is Answer.HOLDS) == could_be(events)


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ((), Answer.HOLDS),
        ((Set("running", 1, 2), Seen("running", 3, 4)), Answer.HOLDS),
        ((Set("running", 1, 2), Seen("pending", 3, 4)), Answer.VIOLATED),
        ((Set("running", 1, 4), Seen("pending", 2, 3)), Answer.HOLDS),
        ((Set("running", 1, 2, surely=False), Seen("pending", 3, 4)), Answer.HOLDS),
        # Two reads one after the other can't see an update come and go.
        (
            (Set("running", 1, 9), Seen("running", 2, 3), Seen("pending", 4, 5)),
            Answer.VIOLATED,
        ),
        # A step back may be made, or ignored; not first the one and then the other.
        ((Set("completed", 1, 2), Set("running", 3, 4), Seen("completed", 5, 6)), Answer.HOLDS),
        ((Set("completed", 1, 2), Set("running", 3, 4), Seen("running", 5, 6)), Answer.HOLDS),
        (
            (
                Set("completed", 1, 2),
                Set("running", 3, 4),
                Seen("running", 5, 6),
                Seen("completed", 7, 8),
            ),
            Answer.VIOLATED,
        ),
        # Of two ends the queue may keep either.
        ((Set("completed", 1, 2), Set("failed", 3, 4), Seen("completed", 5, 6)), Answer.HOLDS),
        ((Set("completed", 1, 2), Set("failed", 3, 4), Seen("failed", 5, 6)), Answer.HOLDS),
        # An update that raised can't happen after its end.
        (
            (
                Set("running", 1, 2, surely=False),
                Seen("pending", 3, 4),
                Seen("running", 5, 6),
            ),
            Answer.VIOLATED,
        ),
    ],
)
def test_what_is_known_of_registers(events: tuple[Event, ...], answer: Answer) -> None:
    assert check_status(events).answer is answer


def test_a_history_with_too_many_orders_is_unknown() -> None:
    at_once: list[Event] = [Set("running", number, 1_000 + number) for number in range(12)]
    assert check_status([*at_once, Seen("failed", 2_000, 2_001)], most=100).answer is Answer.UNKNOWN


def test_a_long_history_of_few_concurrent_calls_is_checked_completely() -> None:
    long: list[Event] = [Set("running", 0, 1)]
    long += [Seen("running", number, number + 3.5) for number in range(2, 20_000)]
    assert check_status(long).answer is Answer.HOLDS
