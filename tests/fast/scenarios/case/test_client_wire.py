"""What a client's wire makes of what its connections say."""

from __future__ import annotations

import time
from typing import Any

from midpipe.faultinject.vocabulary import WireEvent
from midpipe.faultinject.wire.commands import CommandSpec, CommandTable
from midpipe.faultinject.wire.received import Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import Command
from midpipe.scenarios.case.client_wire import ClientWire

TABLE = CommandTable({b"UNWATCH": CommandSpec(b"UNWATCH", frozenset(), ())})
MANY = 200  # so that the interpreter gives a new object the place of one that is gone


class Connection:
    """A connection of which nothing is asked but which one it is."""


def said(wire: ClientWire, link: Any, *words: bytes) -> WireEvent:
    """Say a command on a connection, which then is lost."""
    wire.parked(link, ReceivedCommand(Command(words, b""), Kind.EVENT))
    assert wire.waiting is not None
    event = wire.waiting[2]
    wire.client_gone(link, mid_command=False)
    return event


def test_a_connection_watches_nothing_of_what_a_lost_one_did() -> None:
    wire = ClientWire(
        client_id="A",
        table=TABLE,
        clock=time.monotonic,
        time_out_s=3.0,
        step_over=lambda *_: None,
        state=int,
    )
    for _ in range(MANY):
        said(wire, Connection(), b"WATCH", b"a-key")
    assert {said(wire, Connection(), b"UNWATCH").keys for _ in range(MANY)} == {()}
