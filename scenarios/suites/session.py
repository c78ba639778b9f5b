"""midpipe from Python: judge a queue as the gate does, or run single cases and whole programs of your own.

Everything runs in the calling process, on a server that is started for it, with the subject in processes of its own.
Knows no report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from midpipe import __version__
from midpipe.faultinject.closeable import Closeable
from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.errors import SubjectError, UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.servers.opening import parse_server_spec
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.replaying import confirmed_replay
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Task, Worker
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS, Invariant
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec, parse_subject
from midpipe.scenarios.model.verdict import Verdict
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import program_named

SUBJECT_PARTS = ("sweep", "interleave", "fleet", "durability", "fuzz")
"""The parts of the gate that run the subject; the others run midpipe's own queues."""


def judge(
    subject: str,
    *,
    paths: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    redis: str = "embedded",
    parts: Sequence[str] = SUBJECT_PARTS,
    programs: Sequence[str] = (),
    jobs: int = 1,
    time_budget_s: float | None = None,
) -> Verdict:
    """Judge a queue as ``midpipe gate --subject`` does, and return the verdict.

    Args:
        subject: ``module:Class``, ``path/to/file.py:Class`` or ``command: …``.
        paths: directories put in front of the subject's import path.
        environment: variables of the subject's processes, by name.
        redis: the server, as the option ``--redis`` takes it.
        parts: which of sweep, interleave, fleet, durability and fuzz to run, in this order.
        programs: names of programs; empty runs all of them.
        jobs: number of workers, each with a server of its own. With more than 1, a script that calls this must do so
            under ``if __name__ == "__main__":``, because the workers' processes import it.
        time_budget_s: seconds after which no case begins and the verdict is partial; None is no limit.

    Raises:
        UsageError: there is no such part or program, or the subject's name can't be read.
        SubjectError: the subject can't be loaded, or can't enqueue a job.
        ServerError: the server can't be started or reached, or its database is not empty.

    Example:
        >>> from midpipe import judge
        >>> shipped = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"
        >>> verdict = judge(shipped, parts=["interleave"], programs=["same-request-twice"])
        >>> print(verdict.outcome, verdict.findings[0].replay)
        fail same-request-twice: A1 B1
    """
    unknown = [part for part in parts if part not in SUBJECT_PARTS]
    if unknown:
        raise UsageError(
            f"There is no part {unknown[0]!r}. The parts are {', '.join(SUBJECT_PARTS)}."
        )
    options = Options(
        subject=_subject(subject, paths, environment),
        server=parse_server_spec(redis),
        jobs=jobs,
        parts=tuple(parts),
        programs=tuple(program_named(name).name for name in programs),
        time_budget_s=time_budget_s,
    )
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    gate = Gate(options, lambda _: None)
    gate.run()
    return gate.verdict(__version__, f"midpipe.judge({subject!r})", started_at)


class Session(Closeable):
    """A subject and a server on which to run cases. Close it, or use it in a ``with`` statement.

    Args:
        subject: ``module:Class``, ``path/to/file.py:Class`` or ``command: …``.
        paths: directories put in front of the subject's import path.
        environment: variables of the subject's processes, by name.
        redis: the server, as the option ``--redis`` takes it.
        invariants: checked in every case, after midpipe's own.
        latency_bound_ms: how long any call may take, in ms, if the subject declares no bound.

    Raises:
        UsageError: the subject's or the server's name can't be read, or an invariant has the id of another.
        ServerError: the server can't be started or reached, or its database is not empty.

    Example:
        >>> from midpipe import Call, Program, Session
        >>> fields = dict(action_provider="mail", action_name="send", params={}, actor_id="u-1")
        >>> once = Call("enqueue", {"job_id": "job-1", "workspace_id": "acme", **fields})
        >>> program = Program("my-enqueue", "One enqueue.", {"A": (once,)})
        >>> with Session("midpipe.reference:Queue") as session:
        ...     case = session.run(program, "A1!lost-reply")
        ...     swept = list(session.sweep(program))
        >>> case.is_valid, case.violations
        (True, ())
        >>> [ended.replay for ended in swept if ended.violations]
        []
    """

    def __init__(
        self,
        subject: str,
        *,
        paths: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        redis: str = "embedded",
        invariants: Sequence[Invariant] = (),
        latency_bound_ms: float = DEFAULT_LATENCY_BOUND_MS,
    ) -> None:
        ids = [*INVARIANTS, *(invariant.id for invariant in invariants)]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise UsageError(f"Two invariants have the id {twice[0]!r}. Give yours another one.")
        self._subject = _subject(subject, paths, environment)
        self._latency_bound_ms = latency_bound_ms
        self._worker = Worker(parse_server_spec(redis), invariants=tuple(invariants))

    def run(self, program: Program | str, schedule: str = "") -> CaseRecord:
        """Run one case and return its record. What it violates is confirmed by running it again.

        Args:
            program: a program of your own, or the name of one of midpipe's.
            schedule: the steps of a replay line, as ``A1 B1 A2!lost-reply``; empty runs the program without faults.

        Raises:
            UsageError: the schedule can't be read, or a step of it can't be placed in this program.
            SubjectError: the subject can't be loaded, or lacks a call that the program needs.
            ServerError: the server does not answer.
        """
        chosen = program_named(program)
        _, parsed = parse_replay_string(f"{chosen.name}: {schedule}", CATALOGUE)
        replayed = confirmed_replay(
            self._worker, self._subject, chosen, parsed, self._latency_bound_ms
        )
        if replayed.unplaced:
            raise UsageError(" ".join(replayed.unplaced))
        return replayed.record

    def sweep(self, program: Program | str, *, max_faults: int = 1) -> Iterator[CaseEnded]:
        """Run a program with every fault at every command; yields each case as it ends.

        Args:
            program: a program of your own, or the name of one of midpipe's.
            max_faults: faults per case.

        Raises:
            UsageError: there is no such program.
            SubjectError: the subject can't be loaded, or lacks a call that the program needs.
            ServerError: the server does not answer.
        """
        task = SweepTask(
            self._subject,
            program_named(program),
            shard=(0, 1),
            max_faults=max_faults,
            latency_bound_ms=self._latency_bound_ms,
        )
        return self._cases(task)

    def interleave(
        self,
        program: Program | str,
        *,
        max_preemptions: int | None = 2,
        max_orders: int | None = None,
    ) -> Iterator[CaseEnded]:
        """Run a program of several clients in every order that can differ; yields each case as it ends.

        Args:
            program: a program of your own, or the name of one of midpipe's.
            max_preemptions: per order; None is no bound.
            max_orders: the number of orders, the simplest first; None is no bound.

        Raises:
            UsageError: there is no such program.
            SubjectError: the subject can't be loaded, or lacks a call that the program needs.
            ServerError: the server does not answer.
        """
        task = InterleaveTask(
            self._subject,
            program_named(program),
            max_preemptions=max_preemptions,
            max_faults=0,
            prune=True,
            latency_bound_ms=self._latency_bound_ms,
            max_orders=max_orders,
        )
        return self._cases(task)

    def close(self) -> None:
        """Stop the subject's processes and the server."""
        self._worker.close()

    def _cases(self, task: Task) -> Iterator[CaseEnded]:
        for message in self._worker.do(task):
            if isinstance(message, CaseEnded):
                yield message
            elif isinstance(message, ExplorationDone) and message.missing:
                missing = ", ".join(message.missing)
                raise SubjectError(
                    f"{self._subject.name} has no {missing}, which the program needs."
                )


def _subject(text: str, paths: Sequence[str], environment: Mapping[str, str] | None) -> SubjectSpec:
    variables = tuple(f"{name}={value}" for name, value in (environment or {}).items())
    return parse_subject(text, tuple(paths), environment=variables)
