"""Tries power losses: starts a server on every prefix of the file to which a run without faults was appended.

A machine that loses its power keeps some prefix of the append-only file. Which one depends on ``appendfsync``: with
``always`` it has every write that was answered, with ``everysec`` about the last second may be missing, with ``no``
whatever the kernel had not written yet. Whether each prefix is a state in which no job is half written, and from which
the same request makes a whole one, depends on the queue. The fault ``kill`` does not show this: a process that is
killed loses nothing that it had appended, whatever ``appendfsync`` is.

Each record is cut at its end and in its middle. A script's writes stand between MULTI and EXEC, so a cut comes there
too. A server loads such a file up to the last whole record, or the last whole transaction (a test shows it).

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ ("How durable is the append only
file?" and "What should I do if my AOF gets truncated?").
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from midpipe.faultinject.errors import ServerError, SubjectError
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.wire.readers import CommandReader
from midpipe.scenarios.case.client import resolved_arguments
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.running import warm_up
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.invariants.no_divergence import differences_of
from midpipe.scenarios.invariants.no_orphan import orphans_of
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.messages import Message, PowerLossDone, PowerLossOutcome
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.state import tables_of
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import program_named

_RESET = b"FLUSHALL"


@dataclass(frozen=True, slots=True)
class PowerLossTask:
    """Run one program without faults, and find out what a power loss leaves at each moment of it.

    Args:
        deadline_s: on the monotonic clock; no further moment is tried after it.
    """

    subject: SubjectSpec
    program: str
    latency_bound_ms: float
    deadline_s: float = math.inf

    def run(self, worker: Worker) -> Iterator[Message]:
        server = worker.durable_server(Persistence.AOF_EVERYSEC)
        rig = worker.rig(self.subject, Persistence.AOF_EVERYSEC)
        program = program_named(self.program)
        missing = missing_for(program, self.subject, rig.traits)
        if missing:
            yield PowerLossDone((), lacks=missing)
        elif not rig.traits.white_box:
            yield PowerLossDone((), lacks=("keys that midpipe can read",))
        elif not isinstance(server, EmbeddedServer):
            why = "midpipe can't reach the files of a server in a container"
            yield PowerLossDone((), not_tried=why)
        else:
            outcomes: list[PowerLossOutcome] = []
            stopped = False
            for outcome in power_losses(rig, server, program, self.latency_bound_ms):
                if stopped := worker.is_over(self.deadline_s):
                    break
                outcomes.append(outcome)
            yield PowerLossDone(tuple(outcomes), stopped=stopped)


def power_losses(
    rig: Rig, server: EmbeddedServer, program: Program, latency_bound_ms: float
) -> Iterator[PowerLossOutcome]:
    """Run the program without faults, and start the server on every prefix of what it appended.

    Args:
        rig: on the server.
        server: one with an append-only file.
    """
    # Twice: in the first run the server learns the scripts, which a record of the second may refer to.
    for _ in range(2):
        warm_up(rig, program, latency_bound_ms)
    records = records_since_reset(server.appended.read_bytes())
    whole = b""
    for number, (record, following) in enumerate(pairwise((b"", *records, b""))):
        whole += record
        for part in (b"", following[: len(following) // 2]) if following else (b"",):
            seen, invalid_reason = _confirmed(rig, server, program, whole + part)
            yield PowerLossOutcome(
                records=number,
                after=_text(record),
                torn=bool(part),
                seen=seen,
                invalid_reason=invalid_reason,
            )


def _confirmed(
    rig: Rig, server: EmbeddedServer, program: Program, kept: bytes
) -> tuple[tuple[str, ...], str]:
    """Return what is wrong after a power loss, each time that it is tried, and why that is unknown, if it is."""
    try:
        seen = _seen(rig, server, program, kept)
        again = _seen(rig, server, program, kept) if seen else ()
    except (ServerError, SubjectError) as error:
        server.keep_only(b"")
        rig.renew(is_server_sound=False)
        return (), str(error).removesuffix(".")
    both = tuple(sentence for sentence in seen if sentence in again)
    once = [sentence for sentence in seen if sentence not in again]
    return both, f"once {once[0]}, and not when it was tried again" if once and not both else ""


def _seen(rig: Rig, server: EmbeddedServer, program: Program, kept: bytes) -> tuple[str, ...]:
    """Start the server on what was kept, and return what is wrong then."""
    server.keep_only(kept)
    rig.operator.restart()
    return (*_half_written(rig), *_failed_retries(rig, program))


def _half_written(rig: Rig) -> tuple[str, ...]:
    tables = tables_of(rig.snapshot().state)
    # midpipe's own dequeues, by which it drained the queue, are in the file as well.
    has_dequeued = "dequeue" in rig.traits.methods
    return (*orphans_of(tables, has_dequeued=has_dequeued), *differences_of(tables))


def _failed_retries(rig: Rig, program: Program) -> tuple[str, ...]:
    """Make every enqueue of the program again, as a caller does who got no answer; return what is wrong then.

    Enqueues with the same request id are one request, and one job is enough for it.
    """
    if "get_job" not in rig.traits.methods:
        return ()
    wrong: dict[Json, str] = {}
    fulfilled: set[Json] = set()
    for call in (call for calls in program.clients.values() for call in calls):
        arguments = resolved_arguments(call.arguments, {})
        if call.method != "enqueue" or arguments is None:
            continue
        request = arguments.get("client_request_id") or arguments["job_id"]
        again = rig.recovery.call("enqueue", arguments, call.version)
        wanted = {name: arguments[name] for name in ("job_id", "workspace_id")}
        if rig.recovery.call("get_job", wanted, call.version).value is not None:
            fulfilled.add(request)
        elif again.error is not None:
            wrong[request] = f"the same request raises {again.error.type}"
        else:
            wrong[request] = (
                f"the same request returns {again.value}, and there is no {arguments['job_id']}"
            )
    return tuple(sentence for request, sentence in wrong.items() if request not in fulfilled)


def records_since_reset(appended: bytes) -> tuple[bytes, ...]:
    """Return the records of an append-only file after the last one that empties the server, each with its bytes."""
    reader = CommandReader()
    reader.feed(appended)
    records: list[bytes] = []
    while (command := reader.next_command()) is not None:
        records.append(bytes(command.raw))
        if command.args and command.args[0].upper() == _RESET:
            records.clear()
    return tuple(records)


def _text(record: bytes) -> str:
    reader = CommandReader()
    reader.feed(record)
    command = reader.next_command()
    words = command.args[:3] if command else ()
    return " ".join(word.decode("utf-8", "backslashreplace")[:40] for word in words)
