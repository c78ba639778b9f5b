"""The gate: selfcheck, review and sweep of one subject, put together as a verdict.

It emits what happens to a listener and never imports a report. Interrupted, it keeps what it has and marks
the verdict partial.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from scenarios.engine.explore import CaseEnded
from scenarios.engine.options import Listener, Options, PartBegan, TaskEnded
from scenarios.engine.pool import Pool
from scenarios.engine.tally import Kind, Tally
from scenarios.engine.tasks import (
    HuntDone,
    HuntTask,
    Message,
    SourceDone,
    SweepDone,
    SweepTask,
    Task,
    TellTask,
    Told,
)
from scenarios.flaws.registry import FLAWS, Flaw
from scenarios.invariants import INVARIANTS
from scenarios.invariants.evidence import Traits
from scenarios.programs.single import SINGLE
from scenarios.review.issues import ISSUES
from scenarios.review.subjects import SUBJECTS
from scenarios.review.trying import row_from, task_for
from scenarios.subjects.spec import REFERENCE, SubjectSpec
from scenarios.verdict import (
    Figure,
    Finding,
    FlawRow,
    LedgerRow,
    Outcome,
    ReviewRow,
    Status,
    Story,
    Verdict,
    merge,
)


@dataclass(slots=True)
class _Gathered:
    """What has been obtained so far."""

    tally: Tally = field(default_factory=Tally)
    ledger: dict[tuple[str, str], LedgerRow] = field(default_factory=dict)
    traits: Traits | None = None
    server: str = ""
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    flaws: list[FlawRow] = field(default_factory=list)
    review: list[ReviewRow] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    parts: dict[str, Outcome] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    partial: bool = False


class Gate:
    """Runs the parts and puts the verdict together.

    Args:
        listen: told of every event, for progress.
    """

    def __init__(self, options: Options, listen: Listener) -> None:
        self._options = options
        self._listen = listen
        self._got = _Gathered()
        self._begun_s = time.monotonic()

    def run(self) -> None:
        """Run every part. Raises MidpipeError; KeyboardInterrupt leaves what was obtained in ``verdict``."""
        pool = Pool(self._options.server, self._options.jobs)
        try:
            for part in self._options.parts:
                {"selfcheck": self._selfcheck, "review": self._review, "sweep": self._sweep}[part](
                    pool
                )
        except BaseException:
            self._got.partial = True
            raise
        finally:
            pool.close()

    def verdict(self, version: str, command: str, started_at: str) -> Verdict:
        """Return the verdict on what was obtained.

        Args:
            started_at: UTC, ISO 8601.
        """
        got = self._got
        parts = tuple((part, got.parts[part]) for part in self._options.parts if part in got.parts)
        outcome = merge(result for _, result in parts)
        if got.partial and outcome is Outcome.PASS:
            outcome = Outcome.UNKNOWN
        swept = "sweep" in self._options.parts
        return Verdict(
            midpipe=version,
            subject=self._options.subject.text,
            again=self._options.subject.options,
            server=got.server,
            command=command,
            started_at=started_at,
            seconds=round(time.monotonic() - self._begun_s, 3),
            outcome=outcome,
            parts=parts,
            findings=got.findings,
            invariants=got.tally.invariant_rows(got.traits) if swept else (),
            ledger=tuple(got.ledger.values()),
            selfcheck=tuple(got.flaws),
            review=tuple(got.review),
            figures=tuple(got.figures),
            warnings=tuple(got.warnings),
            partial=got.partial,
        )

    def _do(
        self, pool: Pool, part: str, tasks: list[Task], names: list[str]
    ) -> Iterable[tuple[int, Message]]:
        self._listen(PartBegan(part, len(tasks)))
        for number, message in pool.run(tasks):
            if isinstance(message, CaseEnded):
                self._listen(message)
            else:
                self._listen(TaskEnded(part, names[number]))
            yield number, message

    # --- selfcheck -----------------------------------------------------------------------------------

    def _selfcheck(self, pool: Pool) -> None:
        flaws = [flaw for flaw in FLAWS if flaw.needs_clients == 1]
        tasks: list[Task] = [self._hunt(flaw.subject, flaw.caught_by) for flaw in flaws]
        names = [flaw.name for flaw in flaws]
        if self._options.subject.text != REFERENCE or "sweep" not in self._options.parts:
            tasks.append(self._hunt(REFERENCE, ()))
            names.append("reference")
        outcomes = []
        for number, message in self._do(pool, "selfcheck", tasks, names):
            if isinstance(message, HuntDone):
                flaw = flaws[number] if number < len(flaws) else None
                outcomes.append(self._checked(flaw, message))
        self._got.flaws.sort(key=lambda row: names.index(row.flaw) if row.flaw in names else -1)
        self._got.parts["selfcheck"] = merge(outcomes)

    def _hunt(self, subject: str, invariants: tuple[str, ...]) -> HuntTask:
        spec = SubjectSpec(subject)
        return HuntTask(spec, invariants, self._options.latency_bound_ms)

    def _checked(self, flaw: Flaw | None, done: HuntDone) -> Outcome:
        if flaw is None:
            for caught in done.caught:
                self._got.flaws.append(
                    FlawRow(
                        "reference",
                        caught.invariant,
                        False,
                        True,
                        caught.replay,
                        caught.case_number,
                    )
                )
                self._got.warnings.append(
                    f"The reference is accused by {caught.invariant} in {caught.replay!r}: {caught.seen}"
                )
            return Outcome.FAIL if done.caught else Outcome.PASS
        by_invariant = {caught.invariant: caught for caught in done.caught}
        missed = [name for name in flaw.caught_by if name not in by_invariant]
        for name in dict.fromkeys((*flaw.caught_by, *by_invariant)):
            caught_by = by_invariant.get(name)
            self._got.flaws.append(
                FlawRow(
                    flaw=flaw.name,
                    invariant=name,
                    expected=name in flaw.caught_by,
                    caught=caught_by is not None,
                    replay=caught_by.replay if caught_by else "",
                    case_number=caught_by.case_number if caught_by else 0,
                    seconds=round(caught_by.seconds, 3) if caught_by else 0.0,
                )
            )
        if missed:
            self._got.warnings.append(
                f"Selfcheck: {', '.join(missed)} did not catch the flawed queue {flaw.name} "
                f"in {done.cases} cases, so a pass of theirs proves little."
            )
        return Outcome.FAIL if missed else Outcome.PASS

    # --- review --------------------------------------------------------------------------------------

    def _review(self, pool: Pool) -> None:
        tasks: list[Task] = []
        asked = []
        rows: list[ReviewRow] = []
        for name, subject in SUBJECTS.items():
            for issue in ISSUES.values():
                bound_ms = self._options.latency_bound_ms
                tasks.append(task_for(issue, SubjectSpec(subject), bound_ms))
                asked.append((issue, name))
        labels = [f"{issue.id} {name}" for issue, name in asked]
        for number, message in self._do(pool, "review", tasks, labels):
            if isinstance(message, HuntDone | SourceDone):
                issue, name = asked[number]
                rows.append(row_from(issue, name, message))
        order, names = list(ISSUES), list(SUBJECTS)
        rows.sort(key=lambda row: (order.index(row.issue), names.index(row.subject)))
        self._got.review = rows
        self._got.parts["review"] = _review_outcome(rows)

    # --- sweep ---------------------------------------------------------------------------------------

    def _sweep(self, pool: Pool) -> None:
        options = self._options
        programs = options.programs or tuple(SINGLE)
        shards = max(1, options.jobs)
        tasks: list[Task] = [
            SweepTask(
                options.subject, name, (shard, shards), options.max_faults, options.latency_bound_ms
            )
            for name in programs
            for shard in range(shards)
        ]
        names = [name for name in programs for _ in range(shards)]
        begun_s = time.monotonic()
        got = self._got
        for number, message in self._do(pool, "sweep", tasks, names):
            if isinstance(message, CaseEnded):
                got.tally.add(message)
            elif isinstance(message, SweepDone):
                got.traits, got.server = message.traits, message.server
                if message.missing:
                    got.missing[names[number]] = message.missing
                for row in message.ledger:
                    self._add_to_ledger(row)
        self._weigh_sweep(time.monotonic() - begun_s)
        got.findings = self._told(pool)

    def _add_to_ledger(self, row: LedgerRow) -> None:
        key = (row.program, row.fault)
        known = self._got.ledger.get(key)
        if known is None:
            self._got.ledger[key] = row
            return
        self._got.ledger[key] = replace(
            known,
            space=known.space + row.space,
            run=known.run + row.run,
            pruned=known.pruned + row.pruned,
            pruned_by=tuple(sorted({*known.pruned_by, *row.pruned_by})),
            not_reached=known.not_reached + row.not_reached,
            invalid=known.invalid + row.invalid,
            violated=known.violated + row.violated,
        )

    def _weigh_sweep(self, seconds: float) -> None:
        got = self._got
        tally = got.tally
        outcomes = [Outcome.PASS] if tally.cases else []
        if tally.violations:
            outcomes.append(Outcome.FAIL)
        for row in tally.invariant_rows(got.traits):
            if row.status is Status.UNKNOWN:
                outcomes.append(Outcome.UNKNOWN)
                got.warnings.append(f"{row.invariant} is unknown: {row.note}.")
        for replay, trouble in tally.invalid[:3]:
            outcomes.append(Outcome.UNKNOWN)
            got.warnings.append(f"The case {replay!r} is invalid: {trouble}.")
        got.warnings += sorted(tally.crashed)
        for program, missing in sorted(got.missing.items()):
            got.warnings.append(
                f"The program {program} was not run: the subject has no {', '.join(missing)}."
            )
        got.parts["sweep"] = merge(outcomes)
        got.figures += [
            Figure("cases", tally.cases, "cases"),
            Figure("sweep", round(seconds, 3), "s"),
            Figure("cases per second", round(tally.cases / seconds, 1) if seconds else 0.0, "1/s"),
        ]
        for name, total_s in zip(
            ("reset", "connect", "operate", "judge"), tally.seconds, strict=True
        ):
            share = total_s / tally.cases * 1000 if tally.cases else 0.0
            got.figures.append(Figure(f"{name} per case", round(share, 3), "ms"))

    def _told(self, pool: Pool) -> tuple[Finding, ...]:
        """Run each finding's shortest case and its passing neighbour again, and tell them."""
        tally = self._got.tally
        kinds = tally.kinds()
        replays = []
        for kind, found in kinds:
            replays += [found.replay, tally.neighbour_of(kind, found) or found.replay]
        tasks: list[Task] = [
            TellTask(self._options.subject, replay, self._options.latency_bound_ms)
            for replay in replays
        ]
        told: dict[int, Told] = {}
        for number, message in self._do(pool, "telling", tasks, replays):
            if isinstance(message, Told):
                told[number] = message
        findings = []
        for number, (kind, found) in enumerate(kinds):
            case, neighbour = told[2 * number], told[2 * number + 1]
            if kind.invariant not in case.fallen:
                self._got.warnings.append(
                    f"{found.replay!r} broke {kind.invariant} once and not when run again: "
                    "the subject is not deterministic there."
                )
            passing = neighbour.story if kind.invariant not in neighbour.fallen else None
            findings.append(
                _finding(f"F{number + 1}", kind, found.cases, found.evidence, case, passing)
            )
        return tuple(findings)


def _finding(
    name: str,
    kind: Kind,
    cases: int,
    evidence: tuple[str, ...],
    told: Told,
    neighbour: Story | None,
) -> Finding:
    story = told.story
    placed = next((step for step in story.steps if step.fault), None)
    invariant = INVARIANTS[kind.invariant]
    return Finding(
        id=name,
        invariant=kind.invariant,
        severity=invariant.severity,
        program=story.replay.partition(":")[0],
        replay=story.replay,
        claim=invariant.claim,
        evidence=evidence,
        operation=kind.method,
        place=f"{placed.position} ({placed.place})" if placed else "",
        fault=placed.fault if placed else "",
        cases=cases,
        story=story,
        neighbour=neighbour,
    )


def _review_outcome(rows: list[ReviewRow]) -> Outcome:
    """The review part is about midpipe: the issues must show as reviewed, and never on the reference."""
    must = {"reference": Status.HOLDS, "as reviewed": Status.VIOLATED}
    outcomes = []
    for row in rows:
        if row.shown is Status.UNKNOWN:
            outcomes.append(Outcome.UNKNOWN)
        elif row.shown is not must.get(row.subject, row.shown):
            outcomes.append(Outcome.FAIL)
        else:
            outcomes.append(Outcome.PASS)
    return merge(outcomes)
