"""What an invariant receives and what it returns: the evidence of a case in, a judgement out. Plain values.

An invariant is a pure function of the evidence. Its judgement also counts the things it has checked, because an
invariant that has checked nothing has not been shown to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from midpipe.scenarios.model.history import Execution, History, Json, Operation, Phase, RaisedError
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import (
    LONGEST_STEPPED_WAIT_S,
    LONGEST_WAIT_S,
    Promises,
    Tenancy,
)
from midpipe.scenarios.model.state import Tables

DEFAULT_LATENCY_BOUND_MS = 5_000.0
"""How long any call may take if the subject declares no bound of its own."""
SHORTEST_DEFAULT_LEASE_S = 5.0
"""No queue is known whose leases are shorter than this if a claim does not ask for a length."""
GIVE_BACK = ("fail", "give_back")
"""The calls by which a worker releases a job that it has not done, so that another worker may claim it."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What midpipe has found out about a subject before the first case.

    Args:
        methods: names of its public calls.
        white_box: it writes the key layout of the reviewed queue, so midpipe can read its keys.
        new_schema: it writes the new schema as well.
        reads_new: it finds a job that only the new schema holds, as all jobs are after a migration that it declares
            (the promise ``schemas`` is dual) or has a step for.
        counters: names of the Prometheus counters that it exports.
        job_fields: the fields of a job that get_job returned in a run without faults.
        accepts: of each call, the names of the arguments that it takes; None for one that takes any.
        shows_running: get_job shows another status once a job has been claimed.
        promises: what it promises.
        background: what it or the user declares as commands that it sends in the background, as patterns.
        due_after_s: how many seconds every job waits before a worker gets it, although no delay was asked for.
        due_by_tick: its periodic work hands such a job over.
    """

    methods: frozenset[str]
    white_box: bool
    new_schema: bool
    reads_new: bool = True
    counters: frozenset[str] = frozenset()
    job_fields: frozenset[str] = frozenset()
    accepts: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    shows_running: bool = True
    promises: Promises = field(default_factory=Promises)
    background: tuple[str, ...] = ()
    due_after_s: float = 0.0
    due_by_tick: bool = False

    @property
    def delays_jobs(self) -> bool:
        """Whether no worker gets a job at once, although no delay was asked for."""
        return self.due_by_tick or self.due_after_s > 0.0

    def takes(self, call: str, argument: str) -> bool:
        """Whether the subject has a call that takes an argument of that name."""
        accepted = self.accepts.get(call)
        return call in self.methods and (accepted is None or argument in accepted)

    @property
    def has_workspaces(self) -> bool:
        """Whether jobs belong to workspaces, so that one must not see another's."""
        return self.promises.tenancy is Tenancy.WORKSPACE


@dataclass(frozen=True, slots=True)
class Moment:
    """The tables after a step.

    Args:
        place: the step in words (``A2 (HSET)``; ``the end`` for the final state).
        position: the command's position (``A2``); empty if the step is not a command.
        method: the call that sent the command; empty if it is not known.
    """

    place: str
    tables: Tables
    position: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was observed in one case.

    Args:
        traits: what the subject has, does and promises.
        history: operations of all phases, in order of completion.
        moments: the tables at the start and after each change; the last is the final state.
        delivered: job ids that a worker without faults received afterwards, in order; None if the subject has no
            call to receive jobs and midpipe can't read its queue.
        drain_error: what the last call of that worker raised, if a job was left; None if it returned.
        read_back: what get_job returned afterwards, by (job_id, workspace_id); None where it found no job.
        logs: log lines at WARNING or above, with their tracebacks, and the subject's output.
        secrets: markers that the programs put into params and results.
        latency_bound_ms: the longest that an operation may take.
        malformed: the subject must refuse every call of the program.
        leases_ended: every lease of the program's claims had ended before the queue was drained.
        passed_s: how many seconds passed on a stepped clock while the program ran; None on the machine's clock.
        given_up: jobs that had not ended before recovery and that get_job reports as failed after it.
        still_running: jobs that were running before the drain, that it did not deliver, and that are running after it.
        executions: runs of jobs' bodies in the order in which they started; none unless the subject's worker runs them.
        named: by job id, the keys that name the job in the final state, of each job that some key names; of a subject
            that hands jobs out, only those for which ``fail`` was called.
        kept_apart: those of them of which a key holds a record that did not when their enqueue was answered, such as a
            list of failed jobs.
        vanished: jobs that a key named when their enqueue was answered, and of which none holds a record in the end: at
            most a counter or a lock names them.
        expired: ids of jobs that a key named which has expired by the end of the program.
        nothing_queued: when those runs of the worker began, as ``invoked_at``, before which every job had been taken.
        read_by_others: read_back as each further version of a mixed fleet answered it.

    Example:
        >>> from midpipe import Evidence, Judgement
        >>> def count_enqueues(evidence: Evidence) -> Judgement:
        ...     return Judgement(len(evidence.operations("enqueue")))
    """

    traits: Traits
    history: History
    moments: tuple[Moment, ...]
    delivered: tuple[str, ...] | None
    read_back: Mapping[tuple[str, str], Json]
    logs: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    latency_bound_ms: float = DEFAULT_LATENCY_BOUND_MS
    malformed: bool = False
    drain_error: RaisedError | None = None
    leases_ended: bool = False
    passed_s: float | None = None
    given_up: frozenset[str] = frozenset()
    still_running: frozenset[str] = frozenset()
    executions: tuple[Execution, ...] = ()
    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kept_apart: frozenset[str] = frozenset()
    vanished: frozenset[str] = frozenset()
    expired: frozenset[str] = frozenset()
    nothing_queued: frozenset[int] = frozenset()
    read_by_others: tuple[Mapping[tuple[str, str], Json], ...] = ()

    @property
    def can_read(self) -> bool:
        """Whether the subject has get_job, so that a job which was not found is known to be missing."""
        return "get_job" in self.traits.methods

    @property
    def runs_jobs(self) -> bool:
        """Whether the subject's own worker runs the jobs, so that the journal shows what ran."""
        return "work" in self.traits.methods

    def has_run(self, job_id: str) -> bool:
        """Whether the body of a job has come to its end."""
        return any(run.job_id == job_id and run.has_ended for run in self.executions)

    @property
    def final(self) -> Tables:
        return self.moments[-1].tables

    def found(self, job_id: str) -> bool:
        """Whether get_job finds the job in any workspace it was enqueued in; in a mixed fleet, in every version."""
        return all(
            any(job for (known, _), job in answers.items() if known == job_id)
            for answers in (self.read_back, *self.read_by_others)
        )

    @property
    def longest_wait_s(self) -> float:
        """How long recovery has waited at most for a job that may still be kept from workers."""
        return LONGEST_WAIT_S if self.passed_s is None else LONGEST_STEPPED_WAIT_S

    def has_lease_ended(self, call: Operation) -> bool:
        """Whether the lease that a call took or extended may have ended while the program ran."""
        if self.passed_s is None:
            return self.leases_ended
        lease_s = call.arguments.get("lease_s")
        if not isinstance(lease_s, int | float):
            lease_s = SHORTEST_DEFAULT_LEASE_S
        return self.passed_s >= lease_s

    def operations(self, *methods: str) -> tuple[Operation, ...]:
        """Return the program's operations of the named methods."""
        return tuple(
            operation
            for operation in self.history
            if operation.phase is Phase.PROGRAM and operation.method in methods
        )


def status_of(job: Json) -> str:
    """Return the status of a job that get_job returned, or an empty string."""
    status = job.get("status") if isinstance(job, Mapping) else None
    return status if isinstance(status, str) else ""


@dataclass(frozen=True, slots=True)
class ViolationEvidence:
    """One observation that violates an invariant.

    Args:
        seen: one sentence that states the observation.
        method: the operation it happened in; empty if it can't be attributed to one.
        lasts: it also holds in the final state; always true for a ``finally`` invariant.
        position: of the command after which it was observed (``A2``); empty if it was observed at the end.

    Example:
        >>> from midpipe import ViolationEvidence
        >>> ViolationEvidence("enqueue returned 1 for job-1.", method="enqueue").lasts
        True
    """

    seen: str
    method: str = ""
    lasts: bool = True
    position: str = ""


def violations_at(
    evidence: Evidence, sentences_of: Callable[[Tables], tuple[str, ...]]
) -> tuple[ViolationEvidence, ...]:
    """Return what violates an ``always`` invariant, each once, with the moment it was first observed.

    Args:
        sentences_of: returns what is wrong in one state, each as a clause without a full stop.
    """
    first: dict[str, Moment] = {}
    for moment in evidence.moments:
        for sentence in sentences_of(moment.tables):
            first.setdefault(sentence, moment)
    lasting = set(sentences_of(evidence.final))
    return tuple(
        ViolationEvidence(
            f"After {moment.place}, {sentence}"
            f"{' (also in the final state)' if sentence in lasting else ''}.",
            method=moment.method,
            lasts=sentence in lasting,
            position=moment.position,
        )
        for sentence, moment in first.items()
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an invariant returns for one case: the number of things checked, and the violations among them.

    Args:
        observations: the number of things checked; an invariant that has checked none does not count as held.
        violations: the evidence of each violation; empty if the invariant holds.

    Example:
        >>> from midpipe import Judgement, ViolationEvidence
        >>> Judgement(2, (ViolationEvidence("enqueue returned 1 for job-1."),)).observations
        2
    """

    observations: int
    violations: tuple[ViolationEvidence, ...] = field(default=())


Check = Callable[[Evidence], Judgement]


def applies_to_all(_traits: Traits) -> str:
    """Return an empty string, because the invariant applies to every subject."""
    return ""


def needs_white_box(traits: Traits) -> str:
    """Return why a white-box invariant does not apply, or an empty string."""
    return "" if traits.white_box else "the subject does not write the dual-write keys"


def needs_one_of(*methods: str) -> Callable[[Traits], str]:
    """Return the ``why_not`` of an invariant that only checks answers of these calls."""

    def why_not(traits: Traits) -> str:
        return "" if traits.methods & set(methods) else f"the subject has no {' or '.join(methods)}"

    return why_not


@dataclass(frozen=True, slots=True)
class Invariant:
    """A claim that must hold in every case.

    Args:
        id: the name in reports and options.
        when: ``always`` (after every command) or ``finally`` (in the final state).
        claim: one sentence.
        severity: of its findings.
        check: judges the evidence of one case.
        why_not: returns why the invariant does not apply to a subject; an empty string if it does.
        on_malformed: it also judges programs in which the subject must refuse every call.
        if_unchecked: why it does not apply if no case gave it anything to check, where only the cases show whether it
            does; empty if it is unknown then.

    Example:
        >>> from midpipe import Evidence, Invariant, Judgement, Session, Severity, ViolationEvidence
        >>> def no_second_enqueue(evidence: Evidence) -> Judgement:
        ...     calls = evidence.operations("enqueue")
        ...     again = [ViolationEvidence(f"{call.job_id} was sent again.") for call in calls[1:]]
        ...     return Judgement(len(calls), tuple(again))
        >>> once = Invariant(
        ...     "enqueue-once", "finally", "Nothing is sent twice.", Severity.LOW, no_second_enqueue
        ... )
        >>> reviewed = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"
        >>> with Session(reviewed, invariants=[once]) as session:
        ...     case = session.run("enqueue", "A1!cut-before")
        >>> "enqueue-once" in [violation.invariant for violation in case.violations]
        True
    """

    id: str
    when: str
    claim: str
    severity: Severity
    check: Check
    why_not: Callable[[Traits], str] = applies_to_all
    on_malformed: bool = False
    if_unchecked: str = ""
