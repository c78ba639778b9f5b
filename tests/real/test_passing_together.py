"""Pipelined commands that the director declares pass-through are sent together; only the time taken may differ.

Each example runs one command at a time and then together, with the bytes split differently each time. The upstream
answers from a script; it is no Redis.
"""

from __future__ import annotations

import socket
from contextlib import closing, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.faults.effects import WireEffects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.vocabulary import Executed, FaultRef
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.readers import CommandReader
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply, Value, encode_command
from tests.real.conftest import PlannedDirector

FAULTS = ("cut-before", "torn-middle", "lost-reply", "lost-reply-fin", "stall", "black-hole")
QUIET_ROUNDS = 3

Words = tuple[bytes, ...]
Scripted = tuple[Words, bytes]
"""A command, and all bytes that the server sends in answer to it."""


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def scripted(answer: bytes, *words: str) -> Scripted:
    return tuple(word.encode() for word in words), answer


PUSH = b">2\r\n" + bulk(b"invalidate") + b"*1\r\n" + bulk(b"k")
MESSAGE = b"*3\r\n" + bulk(b"message") + bulk(b"a") + bulk(b"hello")
CONFIRMED = b"".join(
    b"*3\r\n" + bulk(b"subscribe") + bulk(name) + b":1\r\n" for name in (b"a", b"b")
)
SINGLE = st.sampled_from(
    [
        scripted(b"+OK\r\n", "SET", "k", "v"),
        scripted(b"-ERR no\r\n", "INCR", "k"),
        scripted(b"$-1\r\n", "GET", "nothing"),
        scripted(PUSH + b":1\r\n", "DEL", "k"),
        scripted(MESSAGE, "LRANGE", "looks-like-a-message", "0", "-1"),
        scripted(b"+OK\r\n", "SELECT", "0"),
        scripted(b"", "CLIENT", "REPLY", "SKIP"),
    ]
) | st.integers(0, 9_000).map(lambda size: scripted(bulk(b"x" * size), "GET", str(size)))
BLOCK = st.integers(0, 3).map(
    lambda size: [
        scripted(b"+OK\r\n", "MULTI"),
        *[scripted(b"+QUEUED\r\n", "INCR", "k")] * size,
        scripted(b"*%d\r\n%b" % (size, b":1\r\n" * size), "EXEC"),
    ]
)
# A subscriber may send few other commands, and messages may arrive before an answer.
SUBSCRIBED = [
    scripted(CONFIRMED, "SUBSCRIBE", "a", "b"),
    scripted(MESSAGE + b"*2\r\n" + bulk(b"pong") + bulk(b""), "PING"),
]
CONVERSATIONS = st.tuples(
    st.lists(SINGLE.map(lambda one: [one]) | BLOCK, min_size=1, max_size=12),
    st.sampled_from([[], [SUBSCRIBED]]),
).map(lambda parts: [command for part in (*parts[0], *parts[1]) for command in part])
SIZES = st.lists(st.sampled_from([1, 2, 7, 40, 1_000, 100_000]), min_size=1, max_size=8)
PLANNED = st.dictionaries(
    st.tuples(st.integers(1, 14), st.integers(0, 3)), st.sampled_from(FAULTS), max_size=2
)


@dataclass
class Recorder(PlannedDirector):
    """Records what it is asked and what is reported to it, each in order."""

    asked: list[tuple[str, Words, int]] = field(default_factory=list)
    completed: list[tuple[Words, Executed, Value]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    most_at_once: int = 0

    def setup(self, link: Link, received: ReceivedCommand) -> WireEffects:
        self._record("setup", received)
        return super().setup(link, received)

    def inside(self, link: Link, received: ReceivedCommand) -> WireEffects:
        self._record("inside", received)
        return super().inside(link, received)

    def parked(self, link: Link, received: ReceivedCommand) -> None:
        self._record("event", received)
        super().parked(link, received)

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        self.completed.append((received.command.args, executed, reply.value if reply else None))

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        self.errors.append(str(error))

    def _record(self, what: str, received: ReceivedCommand) -> None:
        self.asked.append((what, received.command.args, received.inside))
        self.most_at_once = max(self.most_at_once, len(self.asked) - len(self.completed))


@dataclass(frozen=True)
class Outcome:
    """What the director was asked, what was reported to it, and the bytes that came out at either end."""

    asked: list[tuple[str, Words, int]]
    completed: list[tuple[Words, Executed, Value]]
    errors: list[str]
    gone: int
    at_client: bytes
    at_server: bytes


class Upstream:
    """Answers each command from the script; a command after CLIENT REPLY SKIP gets no answer."""

    def __init__(self, end: socket.socket, conversation: list[Scripted]) -> None:
        self._end = end
        self._answers = [answer for _, answer in conversation]
        self._reader = CommandReader()
        self._skips = False
        self.received = b""
        self.waiting = b""

    def take(self) -> bool:
        """Read what has arrived; return whether anything had."""
        data = read(self._end)
        self.received += data
        self._reader.feed(data)
        while (command := self._reader.next_command()) is not None:
            answer = self._answers.pop(0)
            self.waiting += b"" if self._skips else answer
            self._skips = command.args == (b"CLIENT", b"REPLY", b"SKIP")
        return bool(data)

    def give(self, most: int) -> None:
        with suppress(OSError):
            self._end.sendall(self.waiting[:most])
        self.waiting = self.waiting[most:]


def read(end: socket.socket) -> bytes:
    with suppress(OSError):
        return end.recv(1_000_000)
    return b""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the test's end of a connection, and the link's end."""
    ours, links = socket.socketpair()
    ours.setblocking(False)
    return ours, links


def linked(loop: Loop, client: socket.socket, server: socket.socket, director: Recorder) -> Link:
    return Link(
        loop,
        client=client,
        server=server,
        table=CommandTable({}),
        director=director,
        on_closed=lambda link: None,
    )


def ran(
    director: Recorder, sent: bytes, conversation: list[Scripted], up: list[int], down: list[int]
) -> Outcome:
    """Send the bytes through a link in chunks of the sizes ``up``, and answer in chunks of the sizes ``down``."""
    with closing(Loop()) as loop:
        (client, clients), (server, servers) = pair(), pair()
        upstream, at_client, turn, quiet = Upstream(server, conversation), b"", 0, 0
        link = linked(loop, clients, servers, director)
        with closing(link), closing(client), closing(server):
            while sent or upstream.waiting or quiet < QUIET_ROUNDS:
                with suppress(OSError):
                    client.sendall(sent[: up[turn % len(up)]])
                sent = sent[up[turn % len(up)] :]
                loop.step(0)
                has_arrived = upstream.take()
                upstream.give(down[turn % len(down)])
                loop.step(0)
                data = read(client)
                at_client += data
                quiet = 0 if has_arrived or data else quiet + 1
                turn += 1
        return Outcome(
            asked=director.asked,
            completed=director.completed,
            errors=director.errors,
            gone=director.gone,
            at_client=at_client,
            at_server=upstream.received,
        )


def bytes_of(conversation: list[Scripted]) -> bytes:
    return b"".join(encode_command(*words) for words, _ in conversation)


def directed(looks_ahead: bool, planned: dict[tuple[int, int], str]) -> Recorder:
    placed = {where: FaultRef(name) for where, name in planned.items()}
    return Recorder(planned=placed, looks_ahead=looks_ahead)


@given(CONVERSATIONS, PLANNED, st.sampled_from([b"", b"*1\r\n!no\r\n"]), SIZES, SIZES)
def test_the_director_and_both_ends_see_the_same_whether_commands_pass_together_or_one_by_one(
    conversation: list[Scripted],
    planned: dict[tuple[int, int], str],
    tail: bytes,
    up: list[int],
    down: list[int],
) -> None:
    sent = bytes_of(conversation) + tail
    # After a stall it matters whether the client sends again: then it has moved on, and the reply arrives first.
    sizes = [100_000] if "stall" in planned.values() else up
    one_by_one = ran(directed(False, planned), sent, conversation, [100_000], [100_000])
    assert ran(directed(True, planned), sent, conversation, sizes, down) == one_by_one


@pytest.mark.parametrize(("looks_ahead", "at_once"), [(False, 1), (True, 100)])
def test_only_a_director_that_looks_ahead_is_asked_about_a_command_before_the_previous_one_completes(
    looks_ahead: bool, at_once: int
) -> None:
    director = directed(looks_ahead, {})
    conversation = [scripted(b"+OK\r\n", "SET", "k", "v")] * 100
    ran(director, bytes_of(conversation), conversation, [100_000], [100_000])
    assert (director.most_at_once, len(director.completed)) == (at_once, 100)


def test_commands_that_were_sent_but_not_answered_are_unknown_when_the_server_disconnects() -> None:
    director = directed(True, {})
    conversation = [scripted(b"+OK\r\n", "SET", "k", "v")] * 3
    with closing(Loop()) as loop:
        (client, clients), (server, servers) = pair(), pair()
        link = linked(loop, clients, servers, director)
        with closing(link), closing(client):
            client.sendall(bytes_of(conversation))
            loop.step(0)
            server.sendall(b"+OK\r\n")
            server.close()
            loop.run_until(lambda: len(director.completed) == 3, 5.0)
    executed = [how for _, how, _ in director.completed]
    assert executed == [Executed.YES, Executed.UNKNOWN, Executed.UNKNOWN]


def test_a_command_after_a_handshake_command_waits_for_the_handshake_s_answer() -> None:
    quits, follows = encode_command("QUIT"), encode_command("SET", "k", "v")
    with closing(Loop()) as loop:
        (client, clients), (server, servers) = pair(), pair()
        link = linked(loop, clients, servers, directed(True, {}))
        with closing(link), closing(client), closing(server):
            client.sendall(quits + follows)
            loop.step(0)
            assert read(server) == quits
            server.sendall(b"+OK\r\n")
            loop.step(0)
            assert read(server) == follows
