"""What a power loss leaves: a server started on every prefix of the file to which a fault-free run was appended.

A machine that loses its power keeps some prefix of the append-only file. Which one depends on ``appendfsync``; that
each of them is a state in which no job is half written depends on the queue. So this is told apart from ``kill``: a
process that is killed loses nothing that was appended. A file cut inside a record is loaded up to the record's
beginning, and inside MULTI … EXEC up to MULTI (a test shows it), so records are all the places there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from faultinject.decide.replay import Replay
from faultinject.decide.schedule import Schedule
from faultinject.servers.embedded import EmbeddedServer
from faultinject.wire.readers import CommandReader
from scenarios.engine.explore import run_schedule, warm_up
from scenarios.engine.rig import Rig
from scenarios.invariants.no_divergence import differences_of
from scenarios.invariants.no_orphan import orphans_of
from scenarios.programs.program import Program
from scenarios.state import tables_of

_BEGINS = b"FLUSHALL"


@dataclass(frozen=True, slots=True)
class Left:
    """What a power loss after so many records left.

    Args:
        after: the last record that was kept, as short text; empty if none was.
        seen: what does not hold in the state that the server came back with, one sentence each.
    """

    records: int
    after: str
    seen: tuple[str, ...]


def power_losses(
    rig: Rig, server: EmbeddedServer, program: Program, latency_bound_ms: float
) -> Iterator[Left]:
    """Run the program without faults, and start the server on every prefix of what it appended.

    Args:
        rig: on the server.
        server: one whose persistence appends.
    """
    warm_up(rig, program, latency_bound_ms)
    run_schedule(rig, program, lambda: Replay(Schedule()), latency_bound_ms)
    records = records_since_reset(server.appended.read_bytes())
    kept = b""
    for number, record in enumerate((b"", *records)):
        kept += record
        server.keep_only(kept)
        rig.restart_server()
        tables = tables_of(rig.snapshot())
        yield Left(number, _shown(record), (*orphans_of(tables), *differences_of(tables)))


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
