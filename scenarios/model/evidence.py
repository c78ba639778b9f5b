"""What an invariant may look at, and what it says: evidence in, a judgement out. Plain values.

An invariant is a pure function of the evidence. It also says how many things it looked at, because a check
that saw nothing has not held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from midpipe.scenarios.model.history import History, Json, Operation, Phase
from midpipe.scenarios.model.state import Tables
from midpipe.scenarios.model.verdict import Severity

GIVE_BACK = ("fail", "give_back")
"""The calls by which a worker lets a job go that it has not done; others may have it then."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a subject before any case.

    Args:
        methods: its public calls.
        white_box: it writes the review's key layout, so its keys can be read.
        new_schema: it writes the new schema as well.
        reads_new: it finds a job that the new schema alone holds, as it is once the old one is gone.
        fifo: it gives jobs out in the order in which they came, unless it says otherwise.
        waits_for_replicas: it says that it acknowledges a write only once a replica has it.
        counters: the counters that it shows, by name.
    """

    methods: frozenset[str]
    white_box: bool
    new_schema: bool
    reads_new: bool = True
    fifo: bool = True
    waits_for_replicas: bool = False
    counters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Moment:
    """The tables after a step, and the step's place on the wire (``A2``; ``end`` once all is quiet)."""

    place: str
    tables: Tables


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything seen in one case.

    Args:
        history: operations of all phases, in order of completion.
        moments: the tables at the start and after each change; the last is once all is quiet.
        delivered: job ids that a fault-free worker received afterwards, in order; None if the subject has no
            call for that and its queue can't be read.
        read_back: what get_job answered afterwards, by (job_id, workspace_id); None if it found none.
        logs: log lines at WARNING or above, with their tracebacks, and what the subject printed.
        secrets: marks that were put into params and results.
        latency_bound_ms: the bound every operation must keep.
        malformed: the program's calls must all be refused.
        leases_ended: every lease of the program's claims had ended when the queue was drained.
        given_up: jobs that were running before the drain and are failed after it: no attempt was left to them.
        read_by_others: the same as read_back, as each further version of a mixed fleet answered.
    """

    traits: Traits
    history: History
    moments: tuple[Moment, ...]
    delivered: tuple[str, ...] | None
    read_back: Mapping[tuple[str, str], Json]
    logs: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    latency_bound_ms: float = 5_000.0
    malformed: bool = False
    leases_ended: bool = False
    given_up: frozenset[str] = frozenset()
    read_by_others: tuple[Mapping[tuple[str, str], Json], ...] = ()

    @property
    def final(self) -> Tables:
        return self.moments[-1].tables

    def found(self, job_id: str) -> bool:
        """Whether get_job finds the job, in any workspace it was enqueued in; in a mixed fleet, each version's."""
        return all(
            any(job for (known, _), job in answers.items() if known == job_id)
            for answers in (self.read_back, *self.read_by_others)
        )

    def operations(self, *methods: str) -> tuple[Operation, ...]:
        """Return the program's operations of the named methods."""
        return tuple(
            operation
            for operation in self.history
            if operation.phase is Phase.PROGRAM and operation.method in methods
        )


def status_of(job: Json) -> str:
    """Return the status of a job as get_job answers it, or an empty string."""
    status = job.get("status") if isinstance(job, Mapping) else None
    return status if isinstance(status, str) else ""


@dataclass(frozen=True, slots=True)
class ViolationEvidence:
    """One thing that does not hold.

    Args:
        seen: one sentence of what was seen.
        method: the operation it happened in, if one.
        lasts: it still is so once all is quiet; always true of a ``finally`` invariant.
    """

    seen: str
    method: str = ""
    lasts: bool = True


def violations_at(
    evidence: Evidence, sentences_of: Callable[[Tables], tuple[str, ...]]
) -> tuple[ViolationEvidence, ...]:
    """Return what an ``always`` invariant saw, each once, with the moment it was seen first.

    Args:
        sentences_of: what does not hold in one state, a sentence without its end each.
    """
    first: dict[str, str] = {}
    for moment in evidence.moments:
        for sentence in sentences_of(moment.tables):
            first.setdefault(sentence, moment.place)
    lasting = set(sentences_of(evidence.final))
    return tuple(
        ViolationEvidence(
            f"After {place}, {sentence}{', and stays so' if sentence in lasting else ''}.",
            lasts=sentence in lasting,
        )
        for sentence, place in first.items()
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an invariant says of one case."""

    observations: int
    violations: tuple[ViolationEvidence, ...] = field(default=())


Check = Callable[[Evidence], Judgement]


def applies_to_all(_traits: Traits) -> str:
    """Return an empty string: the invariant applies to every subject."""
    return ""


def needs_white_box(traits: Traits) -> str:
    """Return why a white-box invariant does not apply, or an empty string."""
    return "" if traits.white_box else "the subject does not write the dual-write keys"


def needs_one_of(*methods: str) -> Callable[[Traits], str]:
    """Return the rule of an invariant that looks at answers of these calls only."""

    def why_not(traits: Traits) -> str:
        return "" if traits.methods & set(methods) else f"the subject has no {' or '.join(methods)}"

    return why_not


@dataclass(frozen=True, slots=True)
class Invariant:
    """A claim that must hold.

    Args:
        id: as in reports.
        when: ``always`` or ``finally``.
        claim: one sentence.
        why_not: why it does not apply to a subject; an empty string if it does.
        on_malformed: it also judges programs whose every call must be refused.
    """

    id: str
    when: str
    claim: str
    severity: Severity
    check: Check
    why_not: Callable[[Traits], str] = applies_to_all
    on_malformed: bool = False
