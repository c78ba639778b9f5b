"""Both RESP readers on tables of frames, at every split, and compared with hiredis."""

from __future__ import annotations

import math
from contextlib import suppress
from itertools import pairwise
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.wire.readers import CommandReader, ReplyReader
from midpipe.faultinject.wire.resp import (
    Command,
    ErrorReply,
    MapReply,
    ProtocolError,
    Reply,
    SetReply,
    Value,
    Verbatim,
    encode_command,
)

FRAMES: list[tuple[bytes, Value]] = [
    (b"+OK\r\n", "OK"),
    (b"+\r\n", ""),
    (b"-ERR no\r\n", ErrorReply("ERR no")),
    (b":0\r\n", 0),
    (b":-12\r\n", -12),
    (b":+12\r\n", 12),
    (b"$0\r\n\r\n", b""),
    (b"$3\r\na\r\n\r\n", b"a\r\n"),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"*0\r\n", ()),
    (b"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", (1, (b"x",))),
    (b"_\r\n", None),
    (b"#t\r\n", True),
    (b"#f\r\n", False),
    (b",1.5\r\n", 1.5),
    (b",10\r\n", 10.0),
    (b",-inf\r\n", -math.inf),
    (b"(123456789012345678901234567890\r\n", 123456789012345678901234567890),
    (b"!6\r\nERR no\r\n", ErrorReply("ERR no")),
    (b"=6\r\ntxt:hi\r\n", Verbatim("txt", b"hi")),
    (b"%1\r\n+a\r\n*1\r\n:1\r\n", MapReply((("a", (1,)),))),
    (b"%0\r\n", MapReply(())),
    (b"~2\r\n:1\r\n:2\r\n", SetReply((1, 2))),
    (b">2\r\n+message\r\n:1\r\n", ("message", 1)),
    (b"*1\r\n|1\r\n+ttl\r\n:3\r\n:7\r\n", (7,)),
]


def replies_to(*chunks: bytes) -> list[Reply]:
    """Return every reply in the chunks, which are fed one by one."""
    reader = ReplyReader()
    found = []
    for chunk in chunks:
        reader.feed(chunk)
        while (reply := reader.next_reply()) is not None:
            found.append(reply)
    return found


def commands_in(*chunks: bytes) -> list[Command]:
    reader = CommandReader()
    found = []
    for chunk in chunks:
        reader.feed(chunk)
        while (command := reader.next_command()) is not None:
            found.append(command)
    return found


@pytest.mark.parametrize(("frame", "value"), FRAMES)
def test_a_frame_is_parsed_to_its_value_and_its_bytes(frame: bytes, value: Value) -> None:
    assert replies_to(frame) == [Reply(value, frame, frame[:1])]


@pytest.mark.parametrize(("frame", "value"), FRAMES)
def test_a_frame_is_parsed_the_same_at_every_split(frame: bytes, value: Value) -> None:
    for cut in range(len(frame) + 1):
        assert replies_to(frame[:cut], frame[cut:]) == [Reply(value, frame, frame[:1])]


@pytest.mark.parametrize(("frame", "value"), FRAMES)
def test_a_frame_is_incomplete_until_its_last_byte(frame: bytes, value: Value) -> None:
    assert replies_to(frame[:-1]) == []
    assert [reply.value for reply in replies_to(frame + frame)] == [value, value]


def test_attributes_are_kept_with_the_reply_that_they_precede() -> None:
    frame = b"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n"
    assert replies_to(frame) == [Reply(b"x", frame, b"$", MapReply((("ttl", 3),)))]


def test_a_push_is_distinguished_from_a_reply() -> None:
    kinds = [reply.is_push for reply in replies_to(b">1\r\n+invalidate\r\n", b":1\r\n")]
    assert kinds == [True, False]


def test_a_reply_nested_ten_thousand_levels_deep_needs_no_recursion() -> None:
    (reply,) = replies_to(b"*1\r\n" * 10_000 + b":7\r\n")
    value: Any = reply.value
    for _ in range(10_000):
        (value,) = value
    assert value == 7


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"?\r\n", 0),
        (b"+OK\r\n\r\n", 5),
        (b":1x\r\n", 1),
        (b":\r\n", 1),
        (b"$-2\r\n", 1),
        (b"$3\r\nabcde\r\n", 7),
        (b"*1\r\n>1\r\n:1\r\n", 4),
        (b"#x\r\n", 0),
        (b",one\r\n", 1),
        (b"~-1\r\n", 1),
        (b"=2\r\nab\r\n", 4),
        (b":" + b"9" * 5000 + b"\r\n", 1),
    ],
)
def test_a_malformed_reply_is_rejected_with_its_offset(data: bytes, offset: int) -> None:
    with pytest.raises(ProtocolError) as raised:
        replies_to(data)
    assert raised.value.offset == offset


@pytest.mark.parametrize(
    ("data", "args"),
    [
        (b"*1\r\n$4\r\nPING\r\n", (b"PING",)),
        (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", (b"GET", b"")),
        (b"PING\r\n", (b"PING",)),
        (b"PING\n", (b"PING",)),
        (b"  set  k  'it''s'\r\n", None),
        (b"set k 'it\\'s'\r\n", (b"set", b"k", b"it's")),
        (b'set k "a\\x41\\n\\q"\r\n', (b"set", b"k", b"aA\nq")),
        (b'set "" x\r\n', (b"set", b"", b"x")),
    ],
)
def test_a_command_is_parsed_as_the_server_parses_it(
    data: bytes, args: tuple[bytes, ...] | None
) -> None:
    if args is None:
        with pytest.raises(ProtocolError):
            commands_in(data)
        return
    for cut in range(len(data) + 1):
        (command,) = commands_in(data[:cut], data[cut:])
        assert (command.args, command.raw) == (args, data)


def test_empty_lines_and_empty_arrays_are_skipped() -> None:
    assert [command.name for command in commands_in(b"\r\n*0\r\n*-1\r\nping\r\n")] == [b"PING"]


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"*x\r\n", 1),
        (b"*1\r\n:1\r\n", 4),
        (b"*1\r\n$-1\r\n", 9),
        (b"*9999999\r\n", 0),
        (b"PING\r\nset 'x\r\n", 6),
        (b"x" * 70_000, 0),
        (b"*" + b"1" * 70_000, 0),
    ],
)
def test_a_malformed_command_is_rejected_with_its_offset(data: bytes, offset: int) -> None:
    with pytest.raises(ProtocolError) as raised:
        commands_in(data)
    assert raised.value.offset == offset


words = st.lists(st.binary(max_size=30), min_size=1, max_size=6)


@given(st.lists(words, max_size=4), st.data())
def test_encoded_commands_are_parsed_back_at_any_split(
    commands: list[list[bytes]], data: Any
) -> None:
    stream = b"".join(encode_command(*command) for command in commands)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    bounds = [0, *cuts, len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(bounds)]
    found = commands_in(*chunks)
    assert [list(command.args) for command in found] == commands
    assert b"".join(command.raw for command in found) == stream


text = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=12)
scalars = st.one_of(
    text.map(lambda word: f"+{word}\r\n".encode()),
    text.map(lambda word: f"-ERR {word}\r\n".encode()),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b":%d\r\n" % number),
    st.binary(max_size=20).map(lambda word: b"$%d\r\n%b\r\n" % (len(word), word)),
    st.sampled_from(
        [b"$-1\r\n", b"*-1\r\n", b"_\r\n", b"#t\r\n", b"#f\r\n", b",inf\r\n", b",-inf\r\n"]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(
        lambda number: f",{number!r}\r\n".encode()
    ),
    st.binary(max_size=9).map(lambda word: b"=%d\r\ntxt:%b\r\n" % (len(word) + 4, word)),
)


def aggregates(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    items = st.lists(inner, max_size=4)
    return st.one_of(
        items.map(lambda parts: b"*%d\r\n%b" % (len(parts), b"".join(parts))),
        items.map(lambda parts: b"~%d\r\n%b" % (len(parts), b"".join(parts))),
        st.lists(
            st.tuples(st.integers(0, 99), inner), max_size=3, unique_by=lambda pair: pair[0]
        ).map(
            lambda pairs: b"%%%d\r\n" % len(pairs) + b"".join(b":%d\r\n%b" % pair for pair in pairs)
        ),
    )


frames = st.recursive(scalars, aggregates, max_leaves=12)


def like_hiredis(value: Value) -> Any:
    """Return a value as hiredis returns it."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, ErrorReply):
        return ("error", value.message)
    if isinstance(value, Verbatim):
        return value.text
    if isinstance(value, MapReply):
        return {like_hiredis(key): like_hiredis(item) for key, item in value.pairs}
    if isinstance(value, SetReply):
        return [like_hiredis(item) for item in value.items]
    if isinstance(value, tuple):
        return [like_hiredis(item) for item in value]
    return value


def without_exceptions(value: Any) -> Any:
    if isinstance(value, hiredis.ReplyError):
        return ("error", str(value))
    if isinstance(value, list):
        return [without_exceptions(item) for item in value]
    if isinstance(value, dict):
        return {key: without_exceptions(item) for key, item in value.items()}
    return value


@given(st.lists(frames, min_size=1, max_size=4), st.data())
def test_hiredis_parses_the_same_values_at_any_split(parts: list[bytes], data: Any) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    bounds = [0, *cuts, len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(bounds)]
    not_yet = object()
    other = hiredis.Reader(notEnoughData=not_yet)
    expected = []
    for chunk in chunks:
        other.feed(chunk)
        while (value := other.gets()) is not not_yet:
            expected.append(without_exceptions(value))
    assert [like_hiredis(reply.value) for reply in replies_to(*chunks)] == expected


@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_at_most_a_protocol_error(noise: bytes) -> None:
    for read in (replies_to, commands_in):
        with suppress(ProtocolError):
            read(noise)


@given(frames, st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_raises_at_most_a_protocol_error(frame: bytes, at: int, byte: int) -> None:
    broken = bytearray(frame)
    broken[at % len(broken)] = byte
    with suppress(ProtocolError):
        replies_to(bytes(broken))


def test_a_big_bulk_string_in_small_pieces_is_complete_with_its_last_byte() -> None:
    reader = ReplyReader()
    reader.feed(b"$4000000\r\n")
    for _ in range(4000):
        reader.feed(b"x" * 1000)
        assert reader.next_reply() is None
    reader.feed(b"\r\n")
    reply = reader.next_reply()
    assert reply is not None
    assert reply.value == b"x" * 4_000_000
