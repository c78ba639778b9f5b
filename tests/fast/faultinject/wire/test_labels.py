"""Labels: what of a command is the same in each run, and how equal commands are numbered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.decide.schedule import parse_schedule
from midpipe.faultinject.vocabulary import Label
from midpipe.faultinject.wire.commands import CommandSpec, CommandTable
from midpipe.faultinject.wire.labels import LabelCounter, command_of, finds_nothing, stable_key
from midpipe.faultinject.wire.resp import Reply, Value

TABLE = CommandTable(
    {name: CommandSpec(name, frozenset(), ()) for name in (b"RPUSH", b"XGROUP", b"XGROUP|CREATE")}
)
DIGEST = b"fdacc359c79a5adc3b8eeb53ff57aaaaaaaaaaaa"


@pytest.mark.parametrize(
    ("key", "stable"),
    [
        (b"jobs", "jobs"),
        (b"unacked_mutex", "unacked_mutex"),
        (b"bull:emails:wait", "bull:emails:wait"),
        (b"ai:job:42", "ai:job:*"),
        (b"task-meta-e1809923-c4ed-461e-a1fc-2f5400aabbcc", "task-meta-*"),
        (b"rq:worker:8a7fabcdef", "rq:worker:*"),
        (b"celery\x06\x163", "celery*"),
        (b"asynq:servers:{box:6088:f05c2abc-aaaa-bbbb-cccc-dddddddddddd}", "asynq:servers:{*:*:*}"),
        (b"celery@box.celery.pidbox", "celery@*.celery.pidbox"),
        (b"boxes", "boxes"),
        (b"two words", "two*words"),
    ],
)
def test_of_a_key_what_differs_from_run_to_run_is_masked(key: bytes, stable: str) -> None:
    assert stable_key(key, host=b"box") == stable


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((b"rpush", b"jobs", b"1"), "RPUSH"),
        ((b"xgroup", b"create", b"jobs"), "XGROUP|CREATE"),
        (
            (b"EVALSHA", DIGEST, b"1", b"q", b"fetch", b"17", b"default"),
            "EVALSHA(fdacc3,fetch,default)",
        ),
        ((b"EVALSHA", DIGEST, b"1", b"fetch", b"job-1", b"{}"), "EVALSHA(fdacc3)"),
        # The first digits of the digest of the script, as the server computes it.
        ((b"EVAL", b"return 1", b"0"), "EVAL(e0e1f9)"),
        ((b"FCALL", b"take", b"0"), "FCALL(take)"),
    ],
)
def test_a_command_is_named_with_what_tells_it_from_others(
    words: tuple[bytes, ...], command: str
) -> None:
    assert command_of(TABLE, words) == command


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=5), st.binary(max_size=20))
def test_every_label_is_read_back_from_a_schedule(words: list[bytes], key: bytes) -> None:
    words = [words[0] or b"GET", *words[1:]]
    label = LabelCounter().next("A", command_of(TABLE, words), stable_key(key))
    assert parse_schedule(f"{label}!cut-before", ("cut-before",)).steps[0].position == label


def test_commands_are_numbered_by_what_they_send_and_anew_in_each_attempt() -> None:
    counter = LabelCounter()
    sent = [counter.next("A", name, "jobs") for name in ("RPUSH", "LREM", "RPUSH")]
    counter.begin(2, 1)
    sent.append(counter.next("A", "RPUSH", "jobs"))
    counter.begin(2, 2)
    sent.append(counter.next("A", "RPUSH", "jobs"))
    assert list(map(str, sent)) == [
        "A:RPUSH:jobs#1",
        "A:LREM:jobs#1",
        "A:RPUSH:jobs#2",
        "A/2:RPUSH:jobs#1",
        "A/2/2:RPUSH:jobs#1",
    ]


def test_a_poll_that_finds_nothing_does_not_count() -> None:
    counter = LabelCounter()
    numbers = []
    for finds in (False, False, True, False):
        label = counter.next("A", "RPOP", "jobs")
        numbers.append(label.occurrence)
        if not finds:
            counter.found_nothing(label)
    assert numbers == [1, 1, 1, 2]


def test_a_poll_of_an_earlier_attempt_that_found_nothing_changes_no_number() -> None:
    counter = LabelCounter()
    late: Label = counter.next("A", "BRPOP", "jobs")
    counter.begin(1, 2)
    counter.next("A", "BRPOP", "jobs")
    counter.found_nothing(late)
    assert counter.next("A", "BRPOP", "jobs").occurrence == 2


ENTRY = (b"1-1", (b"job", b"job-1"))


@pytest.mark.parametrize(
    ("command", "value", "is_nothing"),
    [
        (b"LPOP", None, True),
        (b"LPOP", b"job-1", False),
        (b"ZRANGE", (), True),
        (b"GET", b"", False),
        (b"SCAN", (b"0", ()), False),
        (b"XAUTOCLAIM", (b"0-0", (), ()), True),
        (b"xautoclaim", (b"0-0", ()), True),
        (b"XAUTOCLAIM", (b"0-0", (ENTRY,), ()), False),
        (b"XAUTOCLAIM", (b"0-0", (), (b"1-1",)), False),
    ],
)
def test_a_poll_finds_nothing_if_its_answer_hands_nothing_out(
    command: bytes, value: Value, is_nothing: bool
) -> None:
    assert finds_nothing((command,), Reply(value, b"", b"*")) == is_nothing
