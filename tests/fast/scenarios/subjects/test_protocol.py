"""Messages of the subject protocol: what is decoded, and what is blamed on the subject."""

from __future__ import annotations

import pytest

from midpipe.scenarios.subjects.protocol import (
    MOST_LEVELS,
    MalformedMessageError,
    check_counts,
    checked_sources,
    decode_answer,
    decode_ready,
)

ID = b'"id":1'


def answer(*fields: bytes) -> bytes:
    return b"{" + b",".join((ID, *fields)) + b"}"


def nested(levels: int) -> bytes:
    return answer(b'"ok":' + b"[" * levels + b"]" * levels)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id":[1]}', "got `array` - at `$.id`"),
        (b'{"ok":true}', "missing required field `id`"),
        (answer(b'"ms":"abc"'), "got `str` - at `$.ms`"),
        (answer(b'"ms":NaN'), "ms is nan"),
        (answer(b'"ms":Infinity'), "ms is inf"),
        (answer(b'"error":"broken"'), "got `str` - at `$.error`"),
        (answer(b'"error":{"kinds":5}'), "got `int` - at `$.error.kinds`"),
        (answer(b'"logs":[["ERROR",5]]'), "got `int` - at `$.logs[0][1]`"),
        (answer(b'"counted":[["ai_jobs",1]]'), "at `$.counted[0][1]`"),
        (answer(b'"counted":[["ai_jobs",{"status":1},1]]'), "at `$.counted[0][1]"),
        (answer(b'"methods":5'), "got `int` - at `$.methods`"),
        (answer(b'"latency_bound_s":"1"'), "got `str` - at `$.latency_bound_s`"),
        (answer(b'"latency_bound_s":NaN'), "latency_bound_s is nan"),
        (answer(b'"latency_bound_s":Infinity'), "latency_bound_s is inf"),
        (answer(b'"latency_bound_s":0'), "latency_bound_s is 0"),
        (answer(b'"latency_bound_s":-1'), "latency_bound_s is -1"),
        (nested(MOST_LEVELS), "nested more than 100 levels deep"),
        (nested(100_000), "nested too deeply"),
        (b"[1]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        (b"hello", "it is not JSON"),
        (b"", "it is not JSON"),
        (b'{"id":1,"ok":"\xff"}', "it is not JSON"),
    ],
)
def test_an_answer_that_does_not_follow_the_protocol_is_malformed(
    line: bytes, problem: str
) -> None:
    with pytest.raises(MalformedMessageError) as raised:
        decode_answer(line)
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (answer(b'"ok":{"a":[1,null]}'), {"a": [1, None]}),
        (answer(b'"ok":' + b"9" * 400), int("9" * 400)),
        (answer(b'"ok":"\\ud800"'), "\\ud800"),
        (answer(b'"ok":[],"error":null,"ms":1,"logs":null,"unknown":{}'), []),
        (b'{"id":1.0,"ok":true}', True),
    ],
)
def test_an_answer_that_follows_the_protocol_is_decoded(line: bytes, value: object) -> None:
    decoded = decode_answer(line)
    assert (decoded["id"], decoded["ok"]) == (1, value)


def test_an_answer_as_deep_as_the_limit_is_decoded() -> None:
    value = decode_answer(nested(MOST_LEVELS - 1))["ok"]
    for _ in range(MOST_LEVELS - 2):
        (value,) = value
    assert value == []


@pytest.mark.parametrize(
    "line", [b"{}", b'{"ready":"yes"}', b'{"ready":false,"error":5}', b'{"ready":true,"forks":1}']
)
def test_a_first_message_that_does_not_follow_the_protocol_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        decode_ready(line)


def test_the_source_of_a_method_is_a_text_and_a_line_number() -> None:
    assert checked_sources({"go": ["def go(): …", 4]}) == {"go": ("def go(): …", 4)}


@pytest.mark.parametrize("value", [None, [], {"go": "def"}, {"go": [1, 1]}, {"go": ["def", "1"]}])
def test_other_sources_are_malformed(value: object) -> None:
    with pytest.raises(MalformedMessageError):
        checked_sources(value)


def test_the_counts_of_a_load_are_numbers() -> None:
    check_counts({"job": 17, "attempts": 9})


@pytest.mark.parametrize("value", [None, [], {"job": "17"}])
def test_other_counts_are_malformed(value: object) -> None:
    with pytest.raises(MalformedMessageError):
        check_counts(value)
