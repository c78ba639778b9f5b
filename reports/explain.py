"""Explains a finding in three sentences, and says what to change. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from midpipe.scenarios.model.finding import PlacedFault
from midpipe.scenarios.model.history import SHORTEST_LEASE_S
from midpipe.scenarios.model.promises import Source
from midpipe.scenarios.model.story import StepKind, Story, StoryCall
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
_ACKNOWLEDGING = (
    "Acknowledge the job after its work is done: XACK takes an entry out of the pending list, so no other worker gets "
    "it any more."
)
_READS = ("XREADGROUP", "XCLAIM", "XAUTOCLAIM")
_BY_COMMAND: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("LPOP", "RPOP", "BLPOP", "BRPOP", "LMPOP", "BLMPOP", "ZPOPMIN", "BZPOPMIN", "SPOP"),
            _TAKING,
        ),
        **dict.fromkeys(("LMOVE", "BLMOVE", "RPOPLPUSH", "BRPOPLPUSH"), _MOVING),
        "XREADGROUP": _READING,
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
_SCRIPTS = ("EVAL", "EVALSHA", "FCALL")
_HANDS_OUT = ("claim", "dequeue", "work")
_ENDS_OF_A_JOB = ("complete", "fail", "give_back")
_OF_A_HOLDER = ("complete", "fail", "give_back", "heartbeat")


def explained(finding: Finding) -> tuple[str, str, str]:
    """Return what was injected, what was observed, and which invariant that violates."""
    observed = finding.evidence[0] if finding.evidence else "The invariant was violated."
    cases = _counted(finding.cases, "case")
    return (
        f"In {finding.program}, {_injected(finding.faults)}.",
        observed,
        f"{finding.invariant} ({finding.severity}) was violated in {cases}: {finding.claim}",
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
    is_disturbed = finding.faults or (finding.story and _dies_by_itself(finding.story))
    if finding.invariant in ("no-lost-job", "no-stuck-job") and is_disturbed:
        if finding.story is not None and _acknowledges_first(finding.story):
            return _ACKNOWLEDGING
        command = finding.command.partition(" ")[0]
        if command in _BY_COMMAND:
            return _BY_COMMAND[command]
        if finding.invariant == "no-lost-job" and finding.operation in _TAKES_JOBS:
            return _TAKING
    may_be_held_twice = finding.invariant in _MAY_BE_HELD_TWICE
    if may_be_held_twice and finding.story and _puts_back_what_is_held(finding.story):
        return _REAPING
    by_call = _BY_CALL.get((finding.invariant, finding.operation))
    advice = by_call or ADVICE.get(finding.invariant, "Make the step atomic and repeatable.")
    if advice in _COMPARES and not (finding.story and _writes_without_token(finding.story)):
        return _IF_COMPARED[finding.invariant]
    return advice


def _dies_by_itself(story: Story) -> bool:
    """Whether a job's body ended the process of its worker, which the program does and no fault."""
    return any(step.error is not None and step.error.type == "SubjectDied" for step in story.steps)


def _writes_without_token(story: Story) -> bool:
    """Whether a call of a lease's holder changed keys by a command that can't have compared the token of the lease.

    A script that is given the token, or a part of it, may compare it, and so may a block after WATCH. Of a script whose
    arguments are not all shown nothing is known.
    """
    tokens: dict[str, str] = {}
    watching: set[str] = set()
    for step in story.steps:
        if step.kind is StepKind.CALL and step.call is not None:
            given = {argument.name: argument.value.strip('"') for argument in step.call.arguments}
            is_holder = step.call.method in _OF_A_HOLDER and "lease_token" in given
            tokens[step.client] = given["lease_token"] if is_holder else ""
            watching.discard(step.client)
        elif step.kind is StepKind.COMMAND and step.command is not None:
            words = step.command.words
            token = tokens.get(step.client, "")
            may_compare = step.client in watching or (
                words[0].upper() in _SCRIPTS
                and any(word == "…" or (word and word in token) for word in words[3:])
            )
            if token and step.changes and not may_compare:
                return True
            if words[0].upper() == "WATCH":
                watching.add(step.client)
    return False


def _puts_back_what_is_held(story: Story) -> bool:
    """Whether periodic work moved what a client still had, with a lease that lasted, between the keys that it is from.

    A client that met a fault may be taken for dead, and a lease may have ended where time has passed. Periodic work
    that changes only one of those keys may have put another job there.
    """
    calls: dict[str, StoryCall] = {}
    ticked: dict[str, set[str]] = {}
    held: dict[str, set[str]] = {}
    for step in story.steps:
        if step.kind is StepKind.TIME:
            held.clear()
        elif step.kind is StepKind.CALL and step.call is not None:
            calls[step.client], ticked[step.client] = step.call, set()
            if step.call.method in (*_ENDS_OF_A_JOB, *_HANDS_OUT):
                held.pop(step.client, None)
        elif step.kind is StepKind.RAISE or (
            step.kind is StepKind.RETURN and calls[step.client].method == "work"
        ):
            held.pop(step.client, None)
        elif step.kind is StepKind.COMMAND and step.command is not None and step.client in calls:
            call, changed = calls[step.client], {change.key for change in step.changes}
            if step.command.fault:
                held.pop(step.client, None)
            elif call.method == "tick":
                ticked[step.client] |= changed
                if any(len(ticked[step.client] & keys) > 1 for keys in held.values()):
                    return True
            elif call.method in _HANDS_OUT and changed and not _has_ended_lease(call):
                held.setdefault(step.client, set()).update(changed)
    return False


def _has_ended_lease(call: StoryCall) -> bool:
    """Whether a claim asked for a lease that has ended before the next command."""
    asked = {argument.name: argument.value for argument in call.arguments}
    return asked.get("lease_s") == str(SHORTEST_LEASE_S)


def _acknowledges_first(story: Story) -> bool:
    """Whether the client that met the fault had acknowledged, in the same call, what it had last read from a stream."""
    acknowledged: dict[str, bool] = {}
    for step in story.steps:
        if step.kind is StepKind.CALL:
            acknowledged[step.client] = False
        elif step.kind is StepKind.COMMAND and step.command is not None:
            command = step.command
            names = {words[0].upper() for words in (*command.block, command.words)}
            if command.executed != "no" and names.intersection(_READS):
                acknowledged[step.client] = False
            if command.executed != "no" and "XACK" in names:
                acknowledged[step.client] = True
            if command.fault:
                return acknowledged.get(step.client, False)
    return False
