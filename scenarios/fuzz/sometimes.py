"""Sometimes assertions: the events that a fuzz run must see at least once before a pass means anything. Pure.

A run in which no reply was ever lost has not tested lost replies, so it is unknown and not a pass. The term is from
Antithesis; SQLite and FoundationDB use the same technique.
"""

from __future__ import annotations

from collections import Counter

from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.faults.effects import Process
from midpipe.faultinject.vocabulary import Executed
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import Phase
from midpipe.scenarios.model.promises import Deduplicates
from midpipe.scenarios.model.record import CaseRecord, Stepped
from midpipe.scenarios.programs.program import Program

REPLY_LOST = "a reply was lost after the server ran the command"
DUPLICATE_REFUSED = "an enqueue was refused as a duplicate"
LEASE_EXPIRED = "a job was delivered again after its lease expired"
CLIENT_KILLED = "a client process was killed"
JOB_RUN = "the subject's worker ran a job within the program"
VERSION_CHANGED = "a client was restarted with another version"


def required_events(traits: Traits) -> tuple[str, ...]:
    """Return the events that a run of a subject with these traits must see at least once."""
    refused = (DUPLICATE_REFUSED,) if traits.promises.deduplicates is Deduplicates.REQUEST else ()
    worked = (JOB_RUN,) if "work" in traits.methods else ()
    leases = (LEASE_EXPIRED,) if {"claim", "complete"} <= traits.methods else ()
    versions = (VERSION_CHANGED,) if traits.new_schema else ()
    return (REPLY_LOST, CLIENT_KILLED, *refused, *worked, *leases, *versions)


def events_in(record: CaseRecord, program: Program) -> Counter[str]:
    """Return which of these events happened in a case; those that did not are left out."""
    faults = [
        (entry.step.fault, entry.step.executed)
        for entry in record.entries
        if isinstance(entry, Stepped) and entry.step.fault
    ]
    effects = [CATALOGUE[fault.name].effects(2, fault.parameter) for fault, _ in faults]
    lost = any(
        executed is Executed.YES and not effect.wire.reply_passes
        for (_, executed), effect in zip(faults, effects, strict=True)
    )
    claimed = Counter(
        str(operation.value.get("job_id"))
        for operation in record.history
        if operation.method == "claim" and isinstance(operation.value, dict)
    )
    claimed.update(record.delivered or ())
    seen = Counter[str]()
    seen[REPLY_LOST] = int(lost)
    seen[DUPLICATE_REFUSED] = int(
        any(o.method == "enqueue" and o.value is False for o in record.history)
    )
    seen[LEASE_EXPIRED] = int(any(count > 1 for count in claimed.values()))
    seen[JOB_RUN] = int(any(run.phase is Phase.PROGRAM for run in record.executions))
    seen[CLIENT_KILLED] = int(any(e.process is Process.KILLED for e in effects))
    seen[VERSION_CHANGED] = int(
        any(len({call.version for call in calls}) > 1 for calls in program.clients.values())
    )
    return +seen
