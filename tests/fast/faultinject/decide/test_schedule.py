"""The text form of a schedule: it is read back as printed, and malformed text is rejected with a hint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.decide.schedule import (
    PlannedStep,
    Schedule,
    parse_replay_string,
    parse_schedule,
    replay_string,
)
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.vocabulary import FaultRef, Label, Position

positions = st.builds(
    Position,
    client=st.sampled_from("ABCZ"),
    ordinal=st.integers(1, 999_999),
    inside=st.integers(0, 99),
    setup=st.booleans(),
)
fault_refs = st.builds(
    FaultRef, st.sampled_from(sorted(CATALOGUE)), st.none() | st.integers(0, 999_999_999)
)
steps = st.builds(
    PlannedStep,
    positions,
    st.sampled_from(["", "SET", "RPUSH", "JSON.SET", "EVALSHA"]),
    st.none() | fault_refs,
)

labels = st.builds(
    Label,
    client=st.sampled_from("ABCZ"),
    command=st.sampled_from(
        ["RPUSH", "XGROUP|CREATE", "JSON.SET", "EVALSHA(3fa9c2,fetch,default.DQ)"]
    ),
    key=st.sampled_from(["", "jobs", "rq:job:*", "asynq:{default}:t:*", ":odd"]),
    occurrence=st.integers(1, 999_999),
    operation=st.integers(1, 99),
    attempt=st.integers(1, 9),
)
labelled_steps = st.builds(PlannedStep, labels, st.just(""), st.none() | fault_refs)


@given(st.lists(steps | labelled_steps, max_size=6).map(lambda found: Schedule(tuple(found))))
def test_a_printed_schedule_is_read_back_as_itself(schedule: Schedule) -> None:
    text = replay_string("same-request-again", schedule)
    assert parse_replay_string(text, CATALOGUE) == ("same-request-again", schedule)


def test_a_step_is_read_word_by_word() -> None:
    assert parse_schedule("A3.2:HSET!late=1", CATALOGUE) == Schedule(
        (PlannedStep(Position("A", 3, 2), "HSET", FaultRef("late", 1)),)
    )


def test_a_label_is_read_word_by_word() -> None:
    label = Label("A", "RPUSH", "jobs:*", occurrence=2, operation=3)
    assert parse_schedule("A/3:rpush:jobs:*#2!late=1", CATALOGUE) == Schedule(
        (PlannedStep(label, fault=FaultRef("late", 1)),)
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("A2!lost-reply", "'program: steps'"),
        ("", "'program: steps'"),
        ("enqueue: 2A", "'2A' is not a step"),
        ("enqueue: A0", "'A0' is not a step"),
        ("enqueue: A2!", "'A2!' is not a step"),
        ("enqueue: A:RPUSH", "'A:RPUSH' is not a step"),
        ("enqueue: A:RPUSH:jobs#0", "A:RPUSH:jobs#1!lost-reply"),
        ("enqueue: A2!lost-replay", "Did you mean 'lost-reply'?"),
        ("enqueue: A2!xyzzy", "Known: bandwidth"),
    ],
)
def test_a_malformed_schedule_is_rejected_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_replay_string(text, CATALOGUE)
    assert hint in str(raised.value)


@given(st.text(max_size=40))
def test_arbitrary_text_raises_at_most_a_usage_error(text: str) -> None:
    try:
        parse_replay_string(text, CATALOGUE)
    except UsageError:
        return
