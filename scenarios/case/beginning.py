"""Begins the first call of a client anew, at its turn, if it sends the time and the clock was moved meanwhile.

Every client begins its first call at the start of the case, so that the schedule has all their commands to choose from.
What such a command was made of, its client read then. If midpipe has let time pass before the command's turn, a time
among it is one that no client would send: a claim would ask for what was due an hour ago. So that client's process is
ended before anything of it has reached the server, and another one makes the same call.

Blind to: a time that is not sent as a number of its own, in the first command; and a subject that can't be forked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from midpipe.faultinject.vocabulary import WireEvent

if TYPE_CHECKING:
    from midpipe.scenarios.case.client import Client
    from midpipe.scenarios.case.rig import Rig

_TIME = re.compile(rb"(?<![\d.])\d{10,19}(?:\.\d+)?(?![\d.])")
_UNITS_PER_S = (1, 1_000, 1_000_000, 1_000_000_000)
_NEAR_S = 7 * 86_400.0
"""A number is a time if it is so near to the present: deadlines are sent as well, and clocks may be wrong."""
_MOST_BYTES = 4_096
"""Of each word. A time that decides something does not stand behind a long payload."""


def sends_time(words: Iterable[bytes], now_s: float) -> bool:
    """Whether a command has a wall-clock time among its words, in seconds or a fraction of them.

    Args:
        now_s: the wall clock, in seconds since 1970.
    """
    numbers = (
        float(found.group()) for word in words for found in _TIME.finditer(word[:_MOST_BYTES])
    )
    return any(abs(number / unit - now_s) < _NEAR_S for number in numbers for unit in _UNITS_PER_S)


def late_command(rig: Rig, client: Client) -> WireEvent | None:
    """Return the client's first command if it waits and has a time in it that is out of date; else None."""
    if not rig.time.has_passed or client.wire.has_begun or client.wire.waiting is None:
        return None
    event = client.wire.waiting[2]
    words = [word for words in (event.args, *event.block) for word in words]
    is_late = sends_time(words, rig.clock.wall_s()) and rig.hosts.is_forked(client.version)
    return event if is_late else None


def begin_anew(rig: Rig, client: Client, make_instance: Callable[[Client], None]) -> None:
    """Let a new process make the call that the client has under way; none of its commands has reached the server."""
    client_id, call, attempt = client.wire.client_id, client.calls[client.next_call], client.attempt
    client.host.kill()
    rig.listener(client_id).close_links()
    client.wire.forget_commands()
    client.host = rig.host(client_id, call.version)
    make_instance(client)
    client.wire.begin_attempt(client.next_call + 1, attempt.number)
    attempt.began_s, attempt.waited_s = rig.time.clients_s(), 0.0
    client.host.call(client_id, call.method, attempt.arguments, attempt.take)


def difference(expected: WireEvent, client: Client) -> str:
    """Return why the client does not wait with the same command as before; empty if it does."""
    found = client.wire.waiting[2] if client.wire.waiting else None
    if found and (found.position, found.index) == (expected.position, expected.index):
        return ""
    instead = str(found.index) if found else "none"
    return (
        f"the first command of {expected.position.client} was {expected.index}, and later {instead}"
    )
