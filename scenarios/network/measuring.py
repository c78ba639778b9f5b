"""Measuring a call on the wire: which commands it sends after the handshake, and at which bytes. Knows no fault."""

from __future__ import annotations

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.faults.effects import PASS, WireEffects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.conversation import ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply
from midpipe.scenarios.case.answered import answered_from
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.network.placements import TIME_OUT_MS, Piece, Tape
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.subjects.hosting import Answer

CLIENT = "A"
_ANSWER_WITHIN_S = 30.0


class _Tapes:
    """Directs links: everything passes, and is written down by connection."""

    def __init__(self) -> None:
        self.tapes: dict[Link, Tape] = {}

    def is_passthrough(self, heard: ReceivedCommand) -> bool:
        return True

    def setup(self, link: Link, heard: ReceivedCommand) -> WireEffects:
        return PASS

    def inside(self, link: Link, heard: ReceivedCommand) -> WireEffects:
        return PASS

    def parked(self, link: Link, heard: ReceivedCommand) -> None:
        link.carry_out(heard, PASS)

    def done(
        self, link: Link, heard: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        tape = self.tapes.setdefault(link, Tape())
        up, down = len(heard.command.raw), len(reply.raw) if reply else 0
        name = heard.command.name.decode("ascii", "replace")
        if heard.kind is not heard.kind.SETUP:
            piece = Piece(name, range(tape.up, tape.up + up), range(tape.down, tape.down + down))
            tape.pieces.append(piece)
        tape.up += up
        tape.down += down

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        return

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        return


def measured(rig: Rig, program: Program) -> tuple[Piece, ...]:
    """Make the program's first call without faults, on a connection of its own, and return what passed.

    Raises:
        SubjectError: it did not answer.
    """
    rig.reset()
    for call in program.prepare:
        rig.recovery.call(call.method, call.given())
    tapes = _Tapes()
    rig.listener(CLIENT).director = tapes
    host = rig.host(CLIENT)
    host.make_instance(CLIENT, rig.url(CLIENT, TIME_OUT_MS))
    # What a constructor sends is no part of the call, but of the bytes before it.
    calls = program.clients[CLIENT]
    before = {link: len(tape.pieces) for link, tape in tapes.tapes.items()}
    answers: list[Answer] = []
    host.call(CLIENT, calls[0].method, calls[0].given(), answers.append)
    if not rig.loop.run_until(lambda: bool(answers), _ANSWER_WITHIN_S):
        host.kill()
        raise SubjectError(f"{rig.subject.text} did not answer {calls[0].method}, with no fault.")
    answered = answered_from(answers[0])
    host.close_client(CLIENT)
    rig.listener(CLIENT).close_links()
    if answered.error is not None:
        raise SubjectError(
            f"{rig.subject.text} raised {answered.error.type} in {calls[0].method}, with no fault: "
            f"{answered.error.message}"
        )
    return tuple(
        piece for link, tape in tapes.tapes.items() for piece in tape.pieces[before.get(link, 0) :]
    )
