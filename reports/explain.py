"""Explains a finding in three sentences, and says what to change. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from midpipe.reports.division import division_of
from midpipe.reports.story_signs import (
    acknowledges_first,
    dies_by_itself,
    is_overwritten_late,
    puts_back_what_is_held,
    writes_without_token,
)
from midpipe.scenarios.model.finding import PlacedFault
from midpipe.scenarios.model.promises import Source
from midpipe.scenarios.model.verdict import Extent, Finding, PartRow, PromiseRow, Status, Verdict

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "no-lost-job": "Write all that makes a job known and puts it into the queue in one atomic step, so that what "
        "answers a retry always has a job.",
        "retry-succeeds": "Make sure that nothing written before a failure answers the retry: use one atomic step, or "
        "check that the job exists before you return False.",
        "queue-order": "Put jobs in at one end and take them at the other (RPUSH and LPOP), and look for a job and "
        "take it in one atomic step, so that a worker that loses a race tries the next one. If jobs have priorities, "
        "that step takes the highest one.",
        "no-duplicate": "Make the step detect its own earlier run: check in the same atomic step that writes the job "
        "whether the job is known.",
        "no-orphan": "Write the job's data and its queue entry in one atomic step, and delete them in one.",
        "no-divergence": "Write both schemas in one atomic step, and copy the whole old hash if there is no new one.",
        "status-order": "Let the server only move a status forward: refuse a write that a later one has overtaken.",
        "result-is-kept": "Write the final status and the result in one atomic step, however large the result is.",
        "answer-is-true": "Return only what one atomic step has decided; on an exception leave everything or nothing.",
        "job-is-as-enqueued": "Store each field as it was given, and decode it alike wherever a job is returned.",
        "holder-is-served": "Compare the lease token in the step that deletes or changes a lease.",
        "no-stuck-job": "Have the periodic work put back each job whose worker is gone, wherever it is.",
        "no-ghost": "Check in the step that hands a job out that the job exists and was not cancelled.",
        "worker-lives": "Let the worker's loop outlive an error of one command: reconnect, and take the next job.",
        "bounded-latency": "Give every connection a time-out, and every retry loop an end.",
        "isolation": "Put the workspace into the key, or compare it before you return a job.",
        "bad-input": "Validate every argument before the first command, and raise ValueError or TypeError.",
        "telemetry-is-true": "Count each call once, after its outcome is known, whatever kind of call it is.",
        "quiet-logs": "Log ids at DEBUG and a plain sentence at ERROR; keep params, results and tracebacks out.",
        "list-is-whole": "List from one index that has every job, and read each job where it is stored.",
    }
)

_TAKING = (
    "Keep a job in Redis until it has run: move it into a second list (LMOVE), or read it from a stream with a "
    "consumer group and acknowledge it afterwards. Or promise at-most-once delivery."
)
_TAKES_JOBS = ("work", "dequeue")
_MOVING = "Have the periodic work put back what a worker that is gone has moved and not finished."
_READING = "Claim what consumers that are gone have left pending (XAUTOCLAIM), without waiting for a new message."
_GROUPING = (
    "Take an error of XGROUP CREATE for a group that exists only if it begins with BUSYGROUP, and begin a group at 0, "
    "so that it has what was added before it."
)
_OVERTAKEN = "Write a job's state in a step that compares, so that a write that arrives late changes nothing."
_ACKNOWLEDGING = (
    "Acknowledge the job after its work is done: XACK takes an entry out of the pending list, so no other worker gets "
    "it any more."
)
_BY_COMMAND: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("LPOP", "RPOP", "BLPOP", "BRPOP", "LMPOP", "BLMPOP", "ZPOPMIN", "BZPOPMIN", "SPOP"),
            _TAKING,
        ),
        **dict.fromkeys(("LMOVE", "BLMOVE", "RPOPLPUSH", "BRPOPLPUSH"), _MOVING),
        "XREADGROUP": _READING,
        "XGROUP": _GROUPING,
    }
)
"""What to change if a job does not come back from the command that hands it to a worker."""
_BY_CALL: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (
            "no-duplicate",
            "complete",
        ): "Compare the lease token in the step that finishes a job, so that a worker whose "
        "lease has ended can't finish what another one has.",
        (
            "no-duplicate",
            "claim",
        ): "Look for a job and take it in one atomic step, and put a job back in one that at "
        "most one of several workers can do.",
        # Where a job is only moved, there is nothing written that could be known already.
        (
            "no-duplicate",
            "tick",
        ): "Take a job out of one place and put it into the next in one atomic step.",
        (
            "no-lost-job",
            "claim",
        ): "Take a job and record who has it in one atomic step, and have the periodic work, or "
        "the next claim, put back what a lease that has ended still holds.",
        ("no-lost-job", "complete"): "End the lease and record the job's end in one atomic step.",
        (
            "no-lost-job",
            "tick",
        ): "Take a job out of one place and put it into the next in one atomic step.",
        (
            "no-stuck-job",
            "tick",
        ): "Take a job out of one place and put it into the next in one atomic step.",
    }
)
"""What to change, by the invariant and by the call to begin with."""
_COMPARES = (ADVICE["holder-is-served"], _BY_CALL["no-duplicate", "complete"])
"""Advice for a queue that does not compare the lease token where it writes."""
_IF_COMPARED: Mapping[str, str] = MappingProxyType(
    {
        "no-duplicate": "Refuse, in the step that finishes a job, what another worker has finished.",
        "holder-is-served": "Refuse a call only if its lease has ended. Close a connection after a time-out, so that "
        "no late reply answers its next command.",
    }
)
"""The same, by invariant, for a queue of which nothing shows that."""
_REAPING = (
    "Put a job back only if its worker is gone: if its lease has ended, or if the worker has not reported for longer "
    "than it should. Check that in the step that puts the job back."
)
_MAY_BE_HELD_TWICE = ("no-duplicate", "holder-is-served")


def explained(finding: Finding) -> tuple[str, ...]:
    """Return what was injected, what was observed, which invariant that violates, and how the cases divide, if so."""
    observed = finding.evidence[0] if finding.evidence else "The invariant was violated."
    cases = _counted(finding.cases, "case")
    return (
        f"In {finding.program}, {_injected(finding.faults)}.",
        observed,
        f"{finding.invariant} ({finding.severity}) was violated in {cases}: {finding.claim}",
        *filter(None, (division_of(finding),)),
    )


def observed(finding: Finding, invariant: str) -> tuple[str, ...]:
    """Return what a finding shows of one of its invariants, a sentence each."""
    if invariant == finding.invariant:
        return finding.evidence
    return tuple(each.observed for each in finding.consequences if each.invariant == invariant)


def consequences_of(finding: Finding) -> tuple[str, ...]:
    """Return the further invariants that the same cause violates, a sentence each."""
    return tuple(f"Also {each.invariant}: {each.observed}" for each in finding.consequences)


def neighbour_text(finding: Finding) -> str:
    """Return what the neighbouring case shows; it may violate an invariant that the finding is not about."""
    return f"{finding.invariant} holds in a neighbouring case"


def source_text(finding: Finding) -> str:
    """Return the line of the subject's code to begin with, as editors understand it; empty if it is not known."""
    line = finding.source
    return f"{line.file}:{line.line} in {line.function}" if line else ""


def _injected(faults: tuple[PlacedFault, ...]) -> str:
    if not faults:
        return "no fault was needed"
    placed = (
        f"{fault.fault} at {fault.position}{f' ({fault.place})' if fault.place else ''}"
        for fault in faults
    )
    return f"midpipe injected {' and '.join(placed)}"


def not_judged(verdict: Verdict) -> tuple[str, ...]:
    """Return what was planned and not judged, a sentence each; empty if the run was complete."""
    sentences = [
        *(
            f"On {column.server or 'no server'}, {sentence}"
            for column in verdict.servers
            for sentence in _unfinished(column.parts)
        ),
        *(
            ()
            if verdict.servers
            else (f"{one[0].upper()}{one[1:]}" for one in _unfinished(verdict.parts))
        ),
    ]
    if not verdict.partial:
        return tuple(sentences)
    unreached: Counter[str] = Counter()
    for row in verdict.ledger:
        unreached[row.program] += row.not_reached
    total = unreached.total()
    if total:
        programs = sum(bool(count) for count in unreached.values())
        sentences.append(
            f"{_counted(total, 'planned case')} of {_counted(programs, 'program')} "
            f"{'was' if total == 1 else 'were'} not run, and the ledger says not reached."
        )
    if untold := [finding.id for finding in verdict.findings if finding.story is None]:
        sentences.append(f"The story of {', '.join(untold)} was not recorded.")
    return tuple(sentences) or ("The run ended before everything that was planned had run.",)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _unfinished(parts: Sequence[PartRow]) -> Iterator[str]:
    for row in parts:
        if row.extent is Extent.NOT_BEGUN:
            yield f"{row.name} was not begun."
        elif row.extent is Extent.CUT_SHORT:
            cases = f" after {_counted(row.cases, 'case')}" if row.cases else ""
            left_out = f" ({row.left_out})" if row.left_out else ""
            yield f"{row.name} was cut short{cases}{left_out}."


PROGRESS_COLUMNS = ("seconds", "cases", "kinds of violation", "combinations")
"""The columns of a table of ProgressRow."""
_FEWEST_CASES = 100
"""What the next 100 cases would show is not estimated from fewer."""


def coverage_sentence(verdict: Verdict) -> str:
    """Return what the coverage of fuzzing means; empty if nothing was fuzzed."""
    coverage = verdict.coverage
    if coverage is None:
        return ""
    seen = (
        f"{coverage.seen} combinations of operation, command, state of the job and fault were seen, of "
        f"{coverage.known} that the run has shown to be possible."
    )
    cases = sum(row.cases for row in verdict.parts if row.name == "fuzz")
    return f"{seen} {_more_to_see(coverage.new_in_a_further_case, cases)}"


def _more_to_see(new_in_a_further_case: float, cases: int) -> str:
    """Return whether it pays to fuzz for longer, from the estimated number of unseen combinations in one more case."""
    if new_in_a_further_case >= 1:
        return "Nearly every further case would show a new one, so fuzz for longer."
    if cases < _FEWEST_CASES:
        few = f"{_counted(cases, 'case')} {'is' if cases == 1 else 'are'} too few"
        return f"{few} to estimate how many are still unseen."
    if new_in_a_further_case < 0.005:
        return "Fuzzing for longer would hardly show new ones."
    return f"About {100 * new_in_a_further_case:.0f} of the next 100 cases would show new ones."


def not_proved(verdict: Verdict) -> str:
    """Return what a pass does not prove."""
    sentence = "Anything about other programs, faults, orders and servers than those in the ledger."
    if any(row.status is Status.NOT_APPLICABLE for row in verdict.invariants):
        return f"{sentence} What is not judged has not passed."
    return sentence


def promises_sentence(promises: Sequence[PromiseRow]) -> str:
    """Return what the subject was held to, as a sentence."""
    return f"Judged by its promises: {promises_text(promises)}."


def promises_text(promises: Sequence[PromiseRow]) -> str:
    """Return what the subject was held to, and from where each promise is known: declared ones first."""
    strongest_first = [str(source) for source in reversed(Source)]
    by_source = {
        source: [f"{row.promise} {row.value}" for row in promises if row.source == source]
        for source in strongest_first
    }
    known = (f"{source} {', '.join(rows)}" for source, rows in by_source.items() if rows)
    return "; ".join(known)


def rules_text(pruned_by: Mapping[str, int]) -> str:
    """Return the pruning rules with the number of cases that each left out: ``predicted 238, preemptions 12``."""
    return ", ".join(f"{rule} {cases}" for rule, cases in pruned_by.items())


def advice_for(finding: Finding) -> str:
    """Return what to change so that the invariant holds: by the command or the call, where that decides."""
    is_disturbed = finding.faults or (finding.story and dies_by_itself(finding.story))
    if finding.invariant in ("no-lost-job", "no-stuck-job") and is_disturbed:
        if finding.story is not None and acknowledges_first(finding.story):
            return _ACKNOWLEDGING
        if finding.story is not None and is_overwritten_late(finding.story):
            return _OVERTAKEN
        command = finding.command.partition(" ")[0]
        if command in _BY_COMMAND:
            return _BY_COMMAND[command]
        if finding.invariant == "no-lost-job" and finding.operation in _TAKES_JOBS:
            return _TAKING
    may_be_held_twice = finding.invariant in _MAY_BE_HELD_TWICE
    if may_be_held_twice and finding.story and puts_back_what_is_held(finding.story):
        return _REAPING
    by_call = _BY_CALL.get((finding.invariant, finding.operation))
    advice = by_call or ADVICE.get(finding.invariant, "Make the step atomic and repeatable.")
    if advice in _COMPARES and not (finding.story and writes_without_token(finding.story)):
        return _IF_COMPARED[finding.invariant]
    return advice
