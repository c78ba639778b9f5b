"""The queue's history checker against one that tries every order, on small histories; and its known patterns."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midpipe.scenarios.invariants.linearizability import NEVER, Answer, Put, Take, check_queue


def could_be(puts: list[Put], takes: list[Take]) -> bool:
    """Whether some order of the operations, each within its time, is a queue's; an unanswered one may be left out."""
    operations: tuple[Put | Take, ...] = (*puts, *takes)

    @cache
    def from_here(left: frozenset[int], queue: tuple[str, ...]) -> bool:
        if all(operations[number].end == NEVER for number in left):
            return True
        first_end = min(operations[number].end for number in left)
        for number in left:
            operation = operations[number]
            if operation.start > first_end:
                continue
            rest = left - {number}
            if operation.end == NEVER and from_here(rest, queue):
                return True
            if isinstance(operation, Put):
                if from_here(rest, (*queue, operation.value)):
                    return True
            elif operation.end == NEVER:
                if from_here(rest, queue[1:]):
                    return True
            elif operation.value is None:
                if not queue and from_here(rest, queue):
                    return True
            elif queue and queue[0] == operation.value and from_here(rest, queue[1:]):
                return True
        return False

    return from_here(frozenset(range(len(operations))), ())


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Put], list[Take]]:
    """Operations at distinct moments; some without an answer; takes of any value, or of none."""
    values = [f"v{number}" for number in range(draw(st.integers(0, 4)))]
    count = len(values) + draw(st.integers(0, 4))
    moments = draw(st.permutations(range(2 * count)))
    spans: list[tuple[float, float]] = []
    for number in range(count):
        one, other = sorted(moments[2 * number : 2 * number + 2])
        spans.append((one, NEVER if draw(st.integers(0, 5)) == 0 else other))
    puts = [Put(value, *span) for value, span in zip(values, spans, strict=False)]
    takes = []
    for span in spans[len(values) :]:
        value = draw(st.sampled_from([None, *values]))
        takes.append(Take(None if span[1] == NEVER else value, *span))
    return puts, takes


@settings(max_examples=max(400, settings().max_examples))
@given(histories())
def test_the_answer_equals_that_of_trying_every_order(
    history: tuple[list[Put], list[Take]],
) -> None:
    puts, takes = history
    checked = check_queue(puts, takes)
    if checked.answer is not Answer.UNKNOWN:
        assert (checked.answer is Answer.HOLDS) == could_be(puts, takes), checked.why


@settings(max_examples=max(400, settings().max_examples))
@given(histories())
def test_with_every_answer_known_nothing_is_unknown(
    history: tuple[list[Put], list[Take]],
) -> None:
    puts, takes = history
    known = [take for take in takes if take.end != NEVER]
    assert check_queue(puts, known).answer is not Answer.UNKNOWN


@pytest.mark.parametrize(
    ("puts", "takes", "answer"),
    [
        ([Put("a", 1, 2), Put("b", 3, 4)], [Take("a", 5, 6), Take("b", 7, 8)], Answer.HOLDS),
        ([Put("a", 1, 2), Put("b", 3, 4)], [Take("b", 5, 6), Take("a", 7, 8)], Answer.VIOLATED),
        ([Put("a", 1, 4), Put("b", 3, 5)], [Take("b", 6, 7), Take("a", 8, 9)], Answer.HOLDS),
        ([Put("a", 1, 2)], [Take("a", 3, 4), Take("a", 5, 6)], Answer.VIOLATED),
        ([], [Take("a", 1, 2)], Answer.VIOLATED),
        ([Put("a", 1, 2)], [Take(None, 3, 4)], Answer.VIOLATED),
        ([Put("a", 1, NEVER)], [Take(None, 3, 4)], Answer.HOLDS),
        ([Put("a", 1, 2)], [Take(None, 3, NEVER), Take(None, 4, 5)], Answer.UNKNOWN),
        (
            [Put("a", 1, 2)],
            [Take(None, 3, NEVER), Take(None, 4, 5), Take("a", 6, 7)],
            Answer.VIOLATED,
        ),
        # The first of two concurrent puts is taken last, after a third value.
        (
            [Put("a", 0, 2), Put("b", 1, 3), Put("c", 4, 5)],
            [Take("b", 10, 11), Take("c", 12, 13), Take("a", 20, 21)],
            Answer.VIOLATED,
        ),
        # An empty answer that two values cover together, and one with a gap between them.
        (
            [Put("a", 0, 1), Put("b", 2.5, 3)],
            [Take(None, 2, 8), Take("a", 6, 7), Take("b", 10, 11)],
            Answer.VIOLATED,
        ),
        (
            [Put("a", 0, 1), Put("b", 5, 6)],
            [Take(None, 2, 8), Take("a", 4, 4.5), Take("b", 10, 11)],
            Answer.HOLDS,
        ),
    ],
)
def test_what_is_known_of_queues(puts: list[Put], takes: list[Take], answer: Answer) -> None:
    assert check_queue(puts, takes).answer is answer


def test_a_put_that_ends_in_the_moment_in_which_it_begins_is_checked() -> None:
    assert check_queue([Put("a", 4, 3)], [Take("a", 6, 7)]).answer is Answer.HOLDS


def test_a_value_that_is_put_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        check_queue([Put("a", 1, 2), Put("a", 3, 4)], [])
