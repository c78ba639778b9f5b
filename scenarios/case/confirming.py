"""Confirms violations: a case that violated an invariant is run again, with more patience, before that counts.

A busy machine, or a subject that does not do the same each time, can make a case fail once. Only what fails again is a
violation: in two of three further runs, or in each that there was time for. What does not is unconfirmed, and makes the
verdict unknown. Once a few cases of a kind are confirmed, further ones of the same kind are counted without being run
again; what is reported of the kind is a confirmed one. Knows no server and no subject: a function runs the case again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from midpipe.scenarios.model.record import (
    MORE_PATIENCE,
    MOST_RUNS,
    NEEDED,
    CaseRecord,
    Unconfirmed,
    Violation,
)
from midpipe.scenarios.programs.written import PREFIX

CONFIRMED_PER_KIND = 2

Again = Callable[[int], frozenset[str]]
"""Runs a case again with so much patience; returns the invariants that it violates, none if it is invalid."""
Kind = tuple[str, str, str]
"""Program, invariant, and the operation in which it was violated; fuzzed programs count as one."""


def confirmed(
    record: CaseRecord, again: Again, kinds: Counter[Kind], is_over: Callable[[], bool]
) -> CaseRecord:
    """Return the record with those of its violations that count; the others are unconfirmed.

    Args:
        again: runs the case again.
        kinds: how many cases of each kind have been confirmed so far; those of this record are added.
        is_over: no further run may begin.
    """
    if not record.is_valid or not record.violations:
        return record
    candidates = [v for v in record.violations if not is_known(v, record.program, kinds)]
    runs, repeated = 0, Counter[str]()
    while _is_undecided(candidates, runs, repeated) and not is_over():
        repeated.update(again(record.patience * MORE_PATIENCE))
        runs += 1
    # A run that is over keeps no case from counting that failed each time: it was replayed once at least.
    needed = min(NEEDED, runs) if runs and is_over() else NEEDED
    failed = [v for v in candidates if repeated[v.invariant] < needed]
    counting = tuple(v for v in record.violations if v not in failed)
    again_violated = tuple(v for v in candidates if v not in failed)
    for violation in again_violated:
        kinds.update(kinds_of(violation, record.program))
    return replace(
        record,
        violations=counting,
        confirmed=tuple(v.invariant for v in again_violated),
        unconfirmed=tuple(Unconfirmed(v, repeated[v.invariant], runs) for v in failed),
    )


def is_memory_of_process(record: CaseRecord) -> bool:
    """Whether what looked like a violation may come from what a process remembered of earlier cases.

    Further runs, each in new processes, have not shown it once.
    """
    return bool(record.unconfirmed) and all(
        not unconfirmed.again and unconfirmed.runs for unconfirmed in record.unconfirmed
    )


def is_known(violation: Violation, program: str, kinds: Counter[Kind]) -> bool:
    """Whether enough cases of the violation's kinds are confirmed, so that this one counts as it is."""
    return all(kinds[kind] >= CONFIRMED_PER_KIND for kind in kinds_of(violation, program))


def kinds_of(violation: Violation, program: str) -> Iterator[Kind]:
    """Yield the kinds of a violation, each once."""
    name = PREFIX if program.startswith(PREFIX) else program
    for method in dict.fromkeys(evidence.method for evidence in violation.evidence):
        yield name, violation.invariant, method


def _is_undecided(candidates: list[Violation], runs: int, repeated: Counter[str]) -> bool:
    """Whether further runs could still confirm a violation that is not confirmed yet."""
    left = MOST_RUNS - runs
    return any(NEEDED - left <= repeated[v.invariant] < NEEDED for v in candidates)
