"""What a fuzz run must meet now and then to mean something, and which of it a case met. Pure."""

from __future__ import annotations

from collections import Counter

from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.faults.effects import Process
from midpipe.faultinject.vocabulary import Executed
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.record import CaseRecord, Stepped
from midpipe.scenarios.programs.program import Program

A_REPLY_IS_LOST = "a reply was lost after the server ran the command"
A_DUPLICATE_IS_MET = "an enqueue met a duplicate"
A_LEASE_ENDS = "a job was given out again after its lease had ended"
A_CLIENT_CRASHES = "a client's process was killed"
A_VERSION_CHANGES = "a client was rolled to another version"


def must_happen(traits: Traits) -> tuple[str, ...]:
    """Return what a run must meet now and then to mean something, for such a subject."""
    leases = (A_LEASE_ENDS,) if {"claim", "complete"} <= traits.methods else ()
    versions = (A_VERSION_CHANGES,) if traits.new_schema else ()
    return (A_REPLY_IS_LOST, A_DUPLICATE_IS_MET, A_CLIENT_CRASHES, *leases, *versions)


def happenings_of(record: CaseRecord, program: Program) -> Counter[str]:
    """Return which of the things that may have to happen did so in a case, and no other."""
    faults = [
        (entry.step.fault, entry.step.executed)
        for entry in record.entries
        if isinstance(entry, Stepped) and entry.step.fault
    ]
    effects = [CATALOGUE[fault.name].effects(2, fault.parameter) for fault, _ in faults]
    lost = any(
        executed is Executed.YES and not effect.reply_passes
        for (_, executed), effect in zip(faults, effects, strict=True)
    )
    claimed = Counter(
        str(operation.value.get("job_id"))
        for operation in record.history
        if operation.method == "claim" and isinstance(operation.value, dict)
    )
    claimed.update(record.delivered or ())
    happened = Counter[str]()
    happened[A_REPLY_IS_LOST] = int(lost)
    happened[A_DUPLICATE_IS_MET] = int(
        any(o.method == "enqueue" and o.value is False for o in record.history)
    )
    happened[A_LEASE_ENDS] = int(any(count > 1 for count in claimed.values()))
    happened[A_CLIENT_CRASHES] = int(any(e.process is Process.KILLED for e in effects))
    happened[A_VERSION_CHANGES] = int(
        any(len({call.version for call in calls}) > 1 for calls in program.clients.values())
    )
    return +happened
