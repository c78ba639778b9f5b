"""The verdict of a run, built from its results. Does no I/O."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midpipe.scenarios.case.story import duration_text
from midpipe.scenarios.gate.gaps import gaps_in, shard_notices
from midpipe.scenarios.gate.options import EXPLORING, Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.tally import Tally
from midpipe.scenarios.model.safe_text import map_text, redaction_of, safe, safe_command
from midpipe.scenarios.model.verdict import (
    Outcome,
    PartRow,
    PromiseRow,
    ShardRow,
    Verdict,
    merge,
)

_MAX_INVALID_REPORTED = _MAX_RAISED_REPORTED = 3
_CHILD_PROCESSES = (
    "The subject starts processes of its own. The faults crash and freeze reach them as well, and midpipe kills those "
    "that are left."
)


@dataclass(frozen=True, slots=True)
class Run:
    """What a verdict says about the run itself.

    Args:
        version: of midpipe.
        command: as a shell takes it.
        started_at: UTC, ISO 8601.
        seconds: how long it took.
    """

    version: str
    command: str
    started_at: str
    seconds: float


def verdict_on(
    options: Options, results: Results, run: Run, parts: Sequence[PartRow], *, stopped: str
) -> Verdict:
    """Return the verdict on the results so far.

    Args:
        parts: how much of each part was run.
        stopped: why the run ended early and what it left out, one sentence; empty if it came to its end.
    """
    explores = bool(EXPLORING & set(options.parts))
    doubts = _doubts(options, results, is_whole=not stopped) if explores else ()
    shard = options.shard
    # A shard to which nothing belongs has nothing against it; whether anything was run, the merged verdict says.
    outcome = merge(row.outcome for row in parts) if parts or shard.is_whole else Outcome.PASS
    if outcome is Outcome.PASS and (results.partial or doubts or results.tally.crashes):
        outcome = Outcome.UNKNOWN
    verdict = Verdict(
        midpipe=run.version,
        subject=options.subject.name,
        again=safe_command(shlex.split(options.again)),
        server=results.server,
        command=run.command,
        started_at=run.started_at,
        seconds=run.seconds,
        outcome=outcome,
        parts=tuple(parts),
        findings=results.findings,
        invariants=results.tally.invariant_rows(results.traits, options.judged_by.invariants)
        if explores
        else (),
        ledger=tuple(results.ledger.values()),
        selfcheck=tuple(results.flaws),
        review=tuple(results.review),
        durability=tuple(results.durability),
        power_loss=tuple(results.power_loss),
        coverage=results.coverage,
        crashes=tuple(sorted(results.tally.crashes)),
        warnings=tuple(
            # Fuzzing runs a case more than once.
            dict.fromkeys(
                (
                    *([stopped] if stopped else []),
                    *shard_notices(shard, is_empty=explores and not _ran_any(results)),
                    *doubts,
                    *results.raised[:_MAX_RAISED_REPORTED],
                    *([_CHILD_PROCESSES] if results.tally.has_child_processes else []),
                    *_recovery(results.tally),
                    *results.warnings,
                )
            )
        ),
        not_run=tuple(results.not_run),
        partial=results.partial,
        promises=tuple(
            PromiseRow(*row) for row in (results.traits.promises.rows() if results.traits else ())
        ),
        shard=None if shard.is_whole else _shard_row(options, results),
        progress=results.progress,
    )
    # The one place where text of subjects and servers enters the verdict.
    return map_text(verdict, safe(redaction_of(options.words_with_secrets)))


def _recovery(tally: Tally) -> Iterator[str]:
    """Yield how long it took at most until the job of a dead worker ran again, if that was measured.

    Recovery asks at certain times, four of them within the promised time, so the job may have been there before.
    """
    if tally.recovered_after_s is not None:
        # Less than this is how busy the machine was.
        longest = duration_text(max(0.1, tally.recovered_after_s), rounds_up=True)
        yield f"The job of a worker that died reached another worker after at most {longest} on the stepped clock."


def _is_narrowed(options: Options) -> bool:
    """Whether the user has chosen what is tried."""
    return bool(options.programs or options.aim)


def _shard_row(options: Options, results: Results) -> ShardRow:
    shard = options.shard
    return ShardRow(shard.number, shard.count, not _is_narrowed(options), results.kinds)


def _ran_any(results: Results) -> bool:
    return bool(results.tally.cases or results.power_loss)


def _doubts(options: Options, results: Results, *, is_whole: bool) -> tuple[str, ...]:
    """Return why a pass would not be credible: invariants never checked, cases that are invalid or unknown."""
    tally = results.tally
    gaps = (
        gaps_in(
            ran_any=_ran_any(results),
            sweeps="sweep" in options.parts,
            is_narrowed=not is_whole or _is_narrowed(options),
            has_invalid=bool(tally.invalid),
            ledger=tuple(results.ledger.values()),
            invariants=tally.invariant_rows(results.traits, options.judged_by.invariants),
        )
        if options.shard.is_whole
        else ()
    )
    invalid = [
        f"The case {replay!r} is invalid: {invalid_reason}."
        for replay, invalid_reason in tally.invalid[:_MAX_INVALID_REPORTED]
    ]
    if len(tally.invalid) > _MAX_INVALID_REPORTED:
        invalid.append(f"{len(tally.invalid)} cases are invalid; the ledger counts them.")
    unconfirmed = [
        f"The case {replay!r} is unknown: {sentence}."
        for replay, _, sentence in tally.unconfirmed[:_MAX_INVALID_REPORTED]
    ]
    if len(tally.unconfirmed) > _MAX_INVALID_REPORTED:
        unconfirmed.append(f"{len(tally.unconfirmed)} violations are unconfirmed.")
    return (*gaps, *invalid, *unconfirmed)
