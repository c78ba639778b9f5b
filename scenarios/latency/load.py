"""Calls of one client, one after the other: in a closed loop, or due at a fixed rate. Computes no figures."""

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
    """Make a fresh instance for the client, which reaches the server through a port of the loopback."""
    rig.host(CLIENT).make_instance(CLIENT, rig.url_at(port, TIME_OUT_MS))


def answers_of(
    loop: Loop, rig: Rig, method: str, calls: Iterable[Arguments], rate: float | None
) -> Iterator[tuple[float, Answer]]:
    """Make the calls.

    Args:
        rate: calls due per second; None begins each call when the one before has ended.

    Yields:
        How late each call began, in ms, and its answer.

    Raises:
        SubjectError: a call does not return.
    """
    begun_s = loop.clock()
    for number, arguments in enumerate(calls):
        late_s = 0.0
        if rate is not None:
            due_s = begun_s + number / rate
            _wait_until(loop, due_s)
            late_s = max(0.0, loop.clock() - due_s)
        yield late_s * 1000, _answer(loop, rig, method, arguments)


def _wait_until(loop: Loop, due_s: float) -> None:
    due: list[bool] = []
    loop.call_later(due_s - loop.clock(), lambda: due.append(True))
    loop.run_until(lambda: bool(due), _ANSWER_WITHIN_S)


def _answer(loop: Loop, rig: Rig, method: str, arguments: Arguments) -> Answer:
    answers: list[Answer] = []
    host = rig.host(CLIENT)
    host.call(CLIENT, method, arguments, answers.append)
    if not loop.run_until(lambda: bool(answers), _ANSWER_WITHIN_S):
        host.kill()
        raise SubjectError(
            f"{method} of {rig.subject.name} did not return within {_ANSWER_WITHIN_S:.0f} s, "
            "although midpipe injected no fault meanwhile."
        )
    return answers[0]
