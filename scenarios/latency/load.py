"""Calls of one client, one after the other: as fast as they come back, or due at a fixed rate. Knows no figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.loop import Loop
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.latency.workload import Arguments
from midpipe.scenarios.subjects.hosting import Answer

CLIENT = "A"
TIME_OUT_MS = 5_000
"""Of the client's sockets."""
_ANSWER_WITHIN_S = 60.0


def connect(rig: Rig, port: int) -> None:
    """Make the client's instance anew, which reaches the server by a port of the loopback."""
    rig.host(CLIENT).make_instance(CLIENT, rig.url_at(port, TIME_OUT_MS))


def answers_of(
    loop: Loop, rig: Rig, method: str, calls: Iterable[Arguments], rate: float | None
) -> Iterator[tuple[float, Answer]]:
    """Make the calls.

    Args:
        rate: calls that are due in a second; None makes each when the one before it has ended.

    Yields:
        How late each call began, in ms, and its answer.

    Raises:
        SubjectError: one does not return.
    """
    begun_s = loop.clock()
    for number, arguments in enumerate(calls):
        late_s = 0.0
        if rate is not None:
            due_s = begun_s + number / rate
            _wait_until(loop, due_s)
            late_s = max(0.0, loop.clock() - due_s)
        yield late_s * 1000, _answer_to(loop, rig, method, arguments)


def _wait_until(loop: Loop, due_s: float) -> None:
    due: list[bool] = []
    loop.call_later(due_s - loop.clock(), lambda: due.append(True))
    loop.run_until(lambda: bool(due), _ANSWER_WITHIN_S)


def _answer_to(loop: Loop, rig: Rig, method: str, arguments: Arguments) -> Answer:
    answers: list[Answer] = []
    host = rig.host(CLIENT)
    host.call(CLIENT, method, arguments, answers.append)
    if not loop.run_until(lambda: bool(answers), _ANSWER_WITHIN_S):
        host.kill()
        raise SubjectError(
            f"{method} of {rig.subject.text} did not return within {_ANSWER_WITHIN_S:.0f} s, though nothing was done "
            "to it for as long."
        )
    return answers[0]
