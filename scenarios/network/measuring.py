"""Measures a call on the wire: its commands after the handshake, and their byte positions. Knows no fault."""

from __future__ import annotations

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.director import PassingDirector
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import Reply
from midpipe.scenarios.case.answered import answered_from
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.network.placements import TIME_OUT_MS, Exchange, Recording
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.subjects.hosting import Answer

CLIENT = "A"
_ANSWER_WITHIN_S = 30.0


class _RecordingDirector(PassingDirector):
    """Lets every command pass, and records it by connection."""

    def __init__(self) -> None:
        self.recordings: dict[Link, Recording] = {}

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        recording = self.recordings.setdefault(link, Recording())
        up, down = len(received.command.raw), len(reply.raw) if reply else 0
        name = received.command.name.decode("ascii", "replace")
        if received.kind is not received.kind.SETUP:
            exchange = Exchange(
                name,
                range(recording.up, recording.up + up),
                range(recording.down, recording.down + down),
            )
            recording.exchanges.append(exchange)
        recording.up += up
        recording.down += down


def measured(rig: Rig, program: Program) -> tuple[Exchange, ...]:
    """Make the program's first call without faults, on a new connection, and return its commands.

    Raises:
        SubjectError: the call raised or did not return.
    """
    rig.reset()
    for call in program.prepare:
        rig.recovery.call(call.method, call.given())
    director = _RecordingDirector()
    rig.listener(CLIENT).director = director
    host = rig.host(CLIENT)
    host.make_instance(CLIENT, rig.url(CLIENT, TIME_OUT_MS))
    # The commands of a constructor come before the call; their bytes count.
    calls = program.clients[CLIENT]
    before = {link: len(recording.exchanges) for link, recording in director.recordings.items()}
    answers: list[Answer] = []
    host.call(CLIENT, calls[0].method, calls[0].given(), answers.append)
    if not rig.loop.run_until(lambda: bool(answers), _ANSWER_WITHIN_S):
        host.kill()
        raise SubjectError(
            f"{rig.subject.name} did not return from {calls[0].method}, without any fault."
        )
    answered = answered_from(answers[0])
    host.close_client(CLIENT)
    rig.listener(CLIENT).close_links()
    if answered.error is not None:
        raise SubjectError(
            f"{rig.subject.name} raised {answered.error.type} in {calls[0].method}, without any fault: "
            f"{answered.error.message}"
        )
    return tuple(
        exchange
        for link, recording in director.recordings.items()
        for exchange in recording.exchanges[before.get(link, 0) :]
    )
