"""Patterns name commands by name, key and arguments."""

from __future__ import annotations

import pytest

from midpipe.faultinject.wire.pattern import parse_pattern

BEAT = (b"EVALSHA", b"fdacc3", b"1", b"tasks", b"beat", b"17")


@pytest.mark.parametrize(
    "pattern",
    [
        "EVALSHA",
        "evalsha",
        "EVAL*",
        "EVALSHA:tasks",
        "EVALSHA:t*",
        "EVALSHA beat",
        "EVALSHA:tasks b* 17",
        "*",
    ],
)
def test_a_command_is_named(pattern: str) -> None:
    assert parse_pattern(pattern).matches(BEAT, (b"tasks",))


@pytest.mark.parametrize(
    "pattern", ["EVAL", "EVALSHA:jobs", "EVALSHA:task", "EVALSHA ack", "EVALSHA:tasks beat 18"]
)
def test_a_command_with_another_name_key_or_argument_is_not(pattern: str) -> None:
    assert not parse_pattern(pattern).matches(BEAT, (b"tasks",))


def test_a_command_whose_keys_are_unknown_has_none_that_a_pattern_could_name() -> None:
    assert parse_pattern("EVALSHA").matches(BEAT, None)
    assert not parse_pattern("EVALSHA:*").matches(BEAT, None)
