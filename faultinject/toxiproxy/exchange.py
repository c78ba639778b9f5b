"""The values between the API and the code around it: requests, answers, and the effects that need the system.

A handler is a generator. It yields effects and receives their outcomes, so that an answer can contain the address that
the system chose, or the reason why there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from midpipe.faultinject.toxiproxy.api_state import ApiState, ProxySpec, ToxicSpec


@dataclass(frozen=True, slots=True)
class Request:
    """A request, with the path as it was sent and header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and the state after it.

    Args:
        body: empty for a status without one.
        headers: besides Content-Length.
    """

    status: int
    state: ApiState
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class ApiError(Exception):
    """A request that is refused: a message and an HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Resolve:
    """Resolve a listen address; the outcome is the address in numbers."""

    listen: str


@dataclass(frozen=True, slots=True)
class Start:
    """Have a proxy listen; the outcome is the address that it listens on."""

    proxy: ProxySpec


@dataclass(frozen=True, slots=True)
class Stop:
    """Have a proxy stop listening, and close its connections."""

    name: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the counts of a proxy that was removed, or of one of its toxics."""

    proxy: str
    toxic: str = ""


@dataclass(frozen=True, slots=True)
class Add:
    """Append a toxic to a proxy's chain."""

    proxy: str
    toxic: ToxicSpec


@dataclass(frozen=True, slots=True)
class Update:
    """Change the attributes of a toxic."""

    proxy: str
    toxic: ToxicSpec


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a toxic from a proxy's chain."""

    proxy: str
    toxic: str


Effect = Resolve | Start | Stop | Forget | Add | Update | Remove
Handling = Generator[Effect, str, Answer]


def run_handler(handling: Handling, carry_out: Callable[[Effect], str]) -> Answer:
    """Run a handler to its answer.

    Args:
        carry_out: carries out an effect and returns its outcome. An ApiError that it raises is raised in the handler.
    """
    try:
        effect = next(handling)
        while True:
            try:
                outcome = carry_out(effect)
            except ApiError as error:
                effect = handling.throw(error)
            else:
                effect = handling.send(outcome)
    except StopIteration as stop:
        answer: Answer = stop.value
        return answer
