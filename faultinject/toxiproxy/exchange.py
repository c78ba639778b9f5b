"""What passes between the API and the shell around it: requests, answers, and the effects that only a shell can have.

A handler is a generator. It yields effects and is given their outcomes, so that an answer can tell the address that the
system chose, or why it could not be had.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from midpipe.faultinject.toxiproxy.api_state import ApiState, ProxySpec, ToxicSpec


@dataclass(frozen=True, slots=True)
class Request:
    """A request: the path as it was sent, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back, and the world after it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    world: ApiState
    is_handled: bool = True


@dataclass(frozen=True, slots=True)
class Resolve:
    """Have a listen address resolved; its outcome is the address as numbers."""

    listen: str


@dataclass(frozen=True, slots=True)
class Start:
    """Have a proxy listen; its outcome is the address it listens on."""

    proxy: ProxySpec


@dataclass(frozen=True, slots=True)
class Stop:
    """Have a proxy listen no more, and end its connections."""

    name: str


@dataclass(frozen=True, slots=True)
class Forget:
    """A proxy, or one of its toxics, is gone for good, with all that was counted."""

    proxy: str
    toxic: str = ""


@dataclass(frozen=True, slots=True)
class Add:
    """Put a toxic at the end of a proxy's chain."""

    proxy: str
    toxic: ToxicSpec


@dataclass(frozen=True, slots=True)
class Update:
    """Let a toxic go on with other attributes."""

    proxy: str
    toxic: ToxicSpec


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a toxic out of a proxy's chain."""

    proxy: str
    toxic: str


Effect = Resolve | Start | Stop | Forget | Add | Update | Remove


class EffectFailedError(Exception):
    """Thrown into a handler by the shell: the system refused; the message is the system's, in Go's words."""


Handling = Generator[Effect, str, Answer]


def carried_out(handling: Handling, outcome: Callable[[Effect], str]) -> Answer:
    """Run a handler to its answer.

    Args:
        outcome: has an effect and returns its outcome; may raise EffectFailedError.
    """
    try:
        effect = next(handling)
        while True:
            try:
                came_of_it = outcome(effect)
            except EffectFailedError as error:
                effect = handling.throw(error)
            else:
                effect = handling.send(came_of_it)
    except StopIteration as stop:
        answer: Answer = stop.value
        return answer
