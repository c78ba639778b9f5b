"""The queue's history checker against one that tries every order, on small histories; and its known patterns."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midpipe.scenarios.invariants.linearizability import NEVER, Answer, Put, Take, check_queue


def next_of(queue: tuple[Put, ...], *, is_fifo: bool) -> tuple[Put, ...]:
    """Return the values of which any may come next: those of the highest rank, of a FIFO queue the first of them."""
    highest = [put for put in queue if put.rank == max(other.rank for other in queue)]
    return tuple(highest[:1] if is_fifo else highest)


def could_be(puts: list[Put], takes: list[Take], *, is_fifo: bool = True) -> bool:
    """Whether some order of the operations, each within its time, is a queue's; an unanswered one may be left out."""
    operations: tuple[Put | Take, ...] = (*puts, *takes)

    @cache
    def from_here(left: frozenset[int], queue: tuple[Put, ...]) -> bool:
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
                if from_here(rest, (*queue, operation)):
                    return True
            elif not queue:
                if operation.value is None and from_here(rest, queue):
                    return True
            elif any(
                from_here(rest, tuple(put for put in queue if put != taken))
                for taken in next_of(queue, is_fifo=is_fifo)
                if operation.end == NEVER or operation.value == taken.value
            ):
                return True
        return False

    return from_here(frozenset(range(len(operations))), ())


@st.composite
def histories(draw: st.DrawFn, ranks: int = 1) -> tuple[list[Put], list[Take]]:
    """Operations at distinct moments; some without an answer; takes of any value, or of none."""
    values = [f"v{number}" for number in range(draw(st.integers(0, 4)))]
    count = len(values) + draw(st.integers(0, 4))
    moments = draw(st.permutations(range(2 * count)))
    spans: list[tuple[float, float]] = []
    for number in range(count):
        one, other = sorted(moments[2 * number : 2 * number + 2])
        spans.append((one, NEVER if draw(st.integers(0, 5)) == 0 else other))
    puts = [
        Put(value, *span, rank=draw(st.integers(1, ranks)))
        for value, span in zip(values, spans, strict=False)
    ]
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
@given(histories(ranks=3), st.booleans())
def test_what_violates_the_order_of_ranks_is_explained_by_no_order(
    history: tuple[list[Put], list[Take]], is_fifo: bool
) -> None:
    puts, takes = history
    checked = check_queue(puts, takes, is_fifo=is_fifo)
    if checked.answer is Answer.VIOLATED:
        assert not could_be(puts, takes, is_fifo=is_fifo), checked.why


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


LOW, HIGH, HIGH_TOO = Put("low", 1, 2, 1), Put("high", 3, 4, 2), Put("high too", 5, 6, 2)


@pytest.mark.parametrize(
    ("puts", "takes", "ranked", "also_fifo"),
    [
        ((LOW, HIGH), (Take("high", 7, 8), Take("low", 9, 10)), Answer.HOLDS, Answer.HOLDS),
        ((LOW, HIGH), (Take("low", 7, 8), Take("high", 9, 10)), *[Answer.VIOLATED] * 2),
        # The job of the higher rank came while the other one was being taken.
        ((LOW, HIGH), (Take("low", 3.5, 8), Take("high", 9, 10)), Answer.HOLDS, Answer.HOLDS),
        ((LOW, HIGH), (Take("low", 7, 8),), Answer.VIOLATED, Answer.VIOLATED),
        ((LOW, HIGH), (Take("low", 7, 8), Take(None, 7, NEVER)), *[Answer.UNKNOWN] * 2),
        (
            (HIGH, HIGH_TOO),
            (Take("high too", 7, 8), Take("high", 9, 10)),
            Answer.HOLDS,
            Answer.VIOLATED,
        ),
    ],
)
def test_a_value_of_a_higher_rank_that_was_waiting_is_taken_first(
    puts: tuple[Put, ...], takes: tuple[Take, ...], ranked: Answer, also_fifo: Answer
) -> None:
    assert check_queue(puts, takes, is_fifo=False).answer is ranked
    assert check_queue(puts, takes).answer is also_fifo


def test_a_put_that_ends_in_the_moment_in_which_it_begins_is_checked() -> None:
    assert check_queue([Put("a", 4, 3)], [Take("a", 6, 7)]).answer is Answer.HOLDS


def test_a_value_that_is_put_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        check_queue([Put("a", 1, 2), Put("a", 3, 4)], [])
