"""Commands of a pipeline pass together where the director looks ahead: nobody can tell, but by the time it takes.

Each example is run one by one and together, with the bytes cut and gathered anew each time. The upstream answers as it
is told, and knows no Redis.
"""

from __future__ import annotations

import socket
from contextlib import closing, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.faults.effects import Effects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.vocabulary import Executed, FaultRef
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.conversation import ReceivedCommand
from midpipe.faultinject.wire.readers import CommandReader
from midpipe.faultinject.wire.resp import ProtocolError, Reply, Value, encode_command
from tests.real.conftest import PlannedDirector

FAULTS = ("cut-before", "torn-middle", "lost-reply", "lost-reply-fin", "stall", "black-hole")
QUIET_ROUNDS = 3

Asked = tuple[bytes, ...]
StoryTold = tuple[Asked, bytes]
"""A command and all that the server answers to it."""


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def told(answer: bytes, *words: str) -> StoryTold:
    return tuple(word.encode() for word in words), answer


PUSH = b">2\r\n" + bulk(b"invalidate") + b"*1\r\n" + bulk(b"k")
MESSAGE = b"*3\r\n" + bulk(b"message") + bulk(b"a") + bulk(b"hello")
CONFIRMED = b"".join(
    b"*3\r\n" + bulk(b"subscribe") + bulk(name) + b":1\r\n" for name in (b"a", b"b")
)
SINGLE = st.sampled_from(
    [
        told(b"+OK\r\n", "SET", "k", "v"),
        told(b"-ERR no\r\n", "INCR", "k"),
        told(b"$-1\r\n", "GET", "nothing"),
        told(PUSH + b":1\r\n", "DEL", "k"),
        told(MESSAGE, "LRANGE", "looks-like-a-message", "0", "-1"),
        told(b"+OK\r\n", "SELECT", "0"),
        told(b"", "CLIENT", "REPLY", "SKIP"),
    ]
) | st.integers(0, 9_000).map(lambda size: told(bulk(b"x" * size), "GET", str(size)))
BLOCK = st.integers(0, 3).map(
    lambda size: [
        told(b"+OK\r\n", "MULTI"),
        *[told(b"+QUEUED\r\n", "INCR", "k")] * size,
        told(b"*%d\r\n%b" % (size, b":1\r\n" * size), "EXEC"),
    ]
)
# A subscriber may send little else, and hears messages before answers.
SUBSCRIBED = [
    told(CONFIRMED, "SUBSCRIBE", "a", "b"),
    told(MESSAGE + b"*2\r\n" + bulk(b"pong") + bulk(b""), "PING"),
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
    """Writes down what it is shown and told, each in order."""

    shown: list[tuple[str, Asked, int]] = field(default_factory=list)
    over: list[tuple[Asked, Executed, Value]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    most_at_once: int = 0

    def setup(self, link: Link, heard: ReceivedCommand) -> Effects:
        self._show("setup", heard)
        return super().setup(link, heard)

    def inside(self, link: Link, heard: ReceivedCommand) -> Effects:
        self._show("inside", heard)
        return super().inside(link, heard)

    def parked(self, link: Link, heard: ReceivedCommand) -> None:
        self._show("event", heard)
        super().parked(link, heard)

    def done(
        self, link: Link, heard: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        self.over.append((heard.command.args, executed, reply.value if reply else None))

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        self.broken.append(str(error))

    def _show(self, what: str, heard: ReceivedCommand) -> None:
        self.shown.append((what, heard.command.args, heard.inside))
        self.most_at_once = max(self.most_at_once, len(self.shown) - len(self.over))


@dataclass(frozen=True)
class Outcome:
    """What the director was shown and told, and what came out at either end."""

    shown: list[tuple[str, Asked, int]]
    over: list[tuple[Asked, Executed, Value]]
    broken: list[str]
    gone: int
    at_client: bytes
    at_server: bytes


class Upstream:
    """Answers each command as it is told; one that follows CLIENT REPLY SKIP gets nothing."""

    def __init__(self, end: socket.socket, conversation: list[StoryTold]) -> None:
        self._end = end
        self._answers = [answer for _, answer in conversation]
        self._reader = CommandReader()
        self._skips = False
        self.received = b""
        self.waiting = b""

    def take(self) -> bool:
        """Read what has come; return whether anything had."""
        data = received(self._end)
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


def received(end: socket.socket) -> bytes:
    with suppress(OSError):
        return end.recv(1_000_000)
    return b""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return our end of a connection, and the link's."""
    ours, links = socket.socketpair()
    ours.setblocking(False)
    return ours, links


def ran(
    director: Recorder, sent: bytes, conversation: list[StoryTold], up: list[int], down: list[int]
) -> Outcome:
    """Send the bytes through a link in pieces of these sizes, and answer in pieces of those, until all is quiet."""
    with closing(Loop()) as loop:
        (client, clients), (server, servers) = pair(), pair()
        upstream, at_client, turn, quiet = Upstream(server, conversation), b"", 0, 0
        link = Link(loop, clients, servers, CommandTable({}), director, lambda link: None)
        with closing(link), closing(client), closing(server):
            while sent or upstream.waiting or quiet < QUIET_ROUNDS:
                with suppress(OSError):
                    client.sendall(sent[: up[turn % len(up)]])
                sent = sent[up[turn % len(up)] :]
                loop.step(0)
                came = upstream.take()
                upstream.give(down[turn % len(down)])
                loop.step(0)
                data = received(client)
                at_client += data
                quiet = 0 if came or data else quiet + 1
                turn += 1
        return Outcome(
            director.shown,
            director.over,
            director.broken,
            director.gone,
            at_client,
            upstream.received,
        )


def bytes_of(conversation: list[StoryTold]) -> bytes:
    return b"".join(encode_command(*words) for words, _ in conversation)


def directed(looks_ahead: bool, planned: dict[tuple[int, int], str]) -> Recorder:
    placed = {where: FaultRef(name) for where, name in planned.items()}
    return Recorder(planned=placed, looks_ahead=looks_ahead)


@given(CONVERSATIONS, PLANNED, st.sampled_from([b"", b"*1\r\n!no\r\n"]), SIZES, SIZES)
def test_together_all_is_shown_told_and_passed_as_one_by_one(
    conversation: list[StoryTold],
    planned: dict[tuple[int, int], str],
    tail: bytes,
    up: list[int],
    down: list[int],
) -> None:
    sent = bytes_of(conversation) + tail
    one_by_one = ran(directed(False, planned), sent, conversation, [100_000], [100_000])
    assert ran(directed(True, planned), sent, conversation, up, down) == one_by_one


@pytest.mark.parametrize(("looks_ahead", "at_once"), [(False, 1), (True, 100)])
def test_only_who_looks_ahead_is_shown_a_command_before_those_before_it_are_over(
    looks_ahead: bool, at_once: int
) -> None:
    director = directed(looks_ahead, {})
    conversation = [told(b"+OK\r\n", "SET", "k", "v")] * 100
    ran(director, bytes_of(conversation), conversation, [100_000], [100_000])
    assert (director.most_at_once, len(director.over)) == (at_once, 100)


def test_a_server_that_goes_leaves_unknown_what_it_was_sent_and_did_not_answer() -> None:
    director = directed(True, {})
    conversation = [told(b"+OK\r\n", "SET", "k", "v")] * 3
    with closing(Loop()) as loop:
        (client, clients), (server, servers) = pair(), pair()
        link = Link(loop, clients, servers, CommandTable({}), director, lambda link: None)
        with closing(link), closing(client):
            client.sendall(bytes_of(conversation))
            loop.step(0)
            server.sendall(b"+OK\r\n")
            server.close()
            loop.run_until(lambda: len(director.over) == 3, 5.0)
    executed = [how for _, how, _ in director.over]
    assert executed == [Executed.YES, Executed.UNKNOWN, Executed.UNKNOWN]


def test_what_follows_a_command_that_sets_the_connection_up_waits_for_its_answer() -> None:
    quits, follows = encode_command("QUIT"), encode_command("SET", "k", "v")
    with closing(Loop()) as loop:
        (client, clients), (server, servers) = pair(), pair()
        link = Link(loop, clients, servers, CommandTable({}), directed(True, {}), lambda link: None)
        with closing(link), closing(client), closing(server):
            client.sendall(quits + follows)
            loop.step(0)
            assert received(server) == quits
            server.sendall(b"+OK\r\n")
            loop.step(0)
            assert received(server) == follows
