"""What a power loss leaves: a server started on every prefix of the file to which a fault-free run was appended.

A machine that loses its power keeps some prefix of the append-only file. Which one depends on ``appendfsync``: with
``always`` it holds every write that was answered, with ``everysec`` about the last second may be missing, with ``no``
whatever the kernel had not written yet. That each prefix is a state in which no job is half written, and from which the
same request makes a whole one, depends on the queue. So this is told apart from ``kill``: a process that is killed
loses nothing that it had appended, whatever ``appendfsync`` says.

Each record is cut off at its end and in its middle; a script's writes stand between MULTI and EXEC, so a cut comes
there too. A server loads such a file up to the last whole record, or the last whole transaction (a test shows it).

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ ("How durable is the append only
file?" and "What should I do if my AOF gets truncated?").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.schedule import Schedule
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.wire.readers import CommandReader
from midpipe.scenarios.case.client import resolved_arguments
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.explore import run_schedule, warm_up
from midpipe.scenarios.invariants.no_divergence import differences_of
from midpipe.scenarios.invariants.no_orphan import orphans_of
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.state import tables_of
from midpipe.scenarios.programs.program import Program

_BEGINS = b"FLUSHALL"


@dataclass(frozen=True, slots=True)
class PowerLossOutcome:
    """What a power loss after so many records left.

    Args:
        after: the last record that was kept whole, as short text; empty if none was.
        torn: the next record was kept in part.
        seen: what does not hold in the state that the server came back with, one sentence each.
    """

    records: int
    after: str
    torn: bool
    seen: tuple[str, ...]


def power_losses(
    rig: Rig, server: EmbeddedServer, program: Program, latency_bound_ms: float
) -> Iterator[PowerLossOutcome]:
    """Run the program without faults, and start the server on every prefix of what it appended.

    Args:
        rig: on the server.
        server: one whose persistence appends.
    """
    warm_up(rig, program, latency_bound_ms)
    run_schedule(rig, program, lambda: Replay(Schedule()), latency_bound_ms)
    records = records_since_reset(server.appended.read_bytes())
    kept = b""
    for number, (record, following) in enumerate(pairwise((b"", *records, b""))):
        kept += record
        for torn in (b"", following[: len(following) // 2]) if following else (b"",):
            server.keep_only(kept + torn)
            rig.restart_server()
            yield PowerLossOutcome(
                number, _shown(record), bool(torn), (*_half(rig), *_after_retry(rig, program))
            )


def _half(rig: Rig) -> tuple[str, ...]:
    tables = tables_of(rig.snapshot().state)
    return (*orphans_of(tables), *differences_of(tables))


def _after_retry(rig: Rig, program: Program) -> tuple[str, ...]:
    """Make every enqueue of the program again, as a caller does that was not answered; return what is wrong then.

    Enqueues with the same request id are one request, and one job is enough for it.
    """
    if "get_job" not in rig.traits.methods:
        return ()
    wrong: dict[Json, str] = {}
    found: set[Json] = set()
    for call in (call for calls in program.clients.values() for call in calls):
        arguments = resolved_arguments(call.arguments, {})
        if call.method != "enqueue" or arguments is None:
            continue
        request = arguments.get("client_request_id") or arguments["job_id"]
        again = rig.recovery.call("enqueue", arguments, call.version)
        wanted = {name: arguments[name] for name in ("job_id", "workspace_id")}
        if rig.recovery.call("get_job", wanted, call.version).value is not None:
            found.add(request)
        elif again.error is not None:
            wrong[request] = f"the same request raises {again.error.type}"
        else:
            told = f"the same request is answered {again.value}"
            wrong[request] = f"{told}, and there is no {arguments['job_id']}"
    return tuple(sentence for request, sentence in wrong.items() if request not in found)


def records_since_reset(appended: bytes) -> tuple[bytes, ...]:
    """Return the records after the last one that empties the server, each as it stands in the file."""
    reader = CommandReader()
    reader.feed(appended)
    records: list[bytes] = []
    while (command := reader.next_command()) is not None:
        records.append(bytes(command.raw))
        if command.args and command.args[0].upper() == _BEGINS:
            records.clear()
    return tuple(records)


def _shown(record: bytes) -> str:
    reader = CommandReader()
    reader.feed(record)
    command = reader.next_command()
    words = command.args[:3] if command else ()
    return " ".join(word.decode("utf-8", "backslashreplace")[:40] for word in words)
