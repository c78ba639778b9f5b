"""Shards of a run: together they run each case once, and their merged verdict is that of a single machine."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.campaign.merging import combined
from midpipe.scenarios.explore.fault_selection import Aim
from midpipe.scenarios.gate.gaps import EMPTY_SHARD
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Event, Options
from midpipe.scenarios.model.messages import CaseEnded, Sampling
from midpipe.scenarios.model.shard import Shard
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Outcome, Verdict

SHIPPED = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"
FEW = Aim(("lost-reply",))
SHARDS = tuple(Shard(number, 3) for number in (1, 2, 3))
Case = tuple[str, bool, frozenset[str]]


def judged(options: Options) -> tuple[Verdict, Counter[Case]]:
    """Return the verdict, and how often each case was run with which result."""
    cases: Counter[Case] = Counter()

    def listen(event: Event) -> None:
        if isinstance(event, CaseEnded):
            violated = frozenset(violation.invariant for violation in event.violations)
            cases[event.replay, event.valid, violated] += 1

    gate = Gate(options, listen)
    gate.run()
    return gate.verdict("1.0", "midpipe", "2026-01-01"), cases


def sharded(options: Options) -> tuple[Verdict, Counter[Case]]:
    runs = [judged(replace(options, shard=shard)) for shard in SHARDS]
    cases = sum((cases for _, cases in runs), Counter[Case]())
    return combined([verdict for verdict, _ in runs], "midpipe"), cases


def place_of(row: LedgerRow) -> tuple[str, str]:
    return row.program, row.fault


def test_shards_merge_to_the_verdict_of_a_single_machine_case_by_case() -> None:
    options = Options(
        subject=SubjectSpec(SHIPPED),
        parts=("sweep", "interleave"),
        programs=("enqueue-with-request-id", "same-request-twice"),
        aim=FEW,
        jobs=1,
    )
    whole, cases = judged(options)
    merged, cases_of_shards = sharded(options)
    assert set(cases.values()) == {1}
    assert cases_of_shards == cases
    assert merged.outcome == whole.outcome
    assert sorted(merged.ledger, key=place_of) == sorted(whole.ledger, key=place_of)
    assert merged.invariants == whole.invariants
    assert {(f.invariant, f.operation, f.cases) for f in merged.findings} == {
        (f.invariant, f.operation, f.cases) for f in whole.findings
    }
    assert [row.cases for row in merged.parts] == [row.cases for row in whole.parts]


def test_random_orders_are_divided_among_the_shards_and_their_workers() -> None:
    options = Options(
        parts=("interleave",),
        programs=("same-request-twice",),
        sampling=Sampling(250, seed=1, depth=3),
        jobs=1,
    )
    whole, cases = judged(options)
    merged, cases_of_shards = sharded(options)
    _, cases_of_two = judged(replace(options, jobs=2))
    assert cases.total() == 250
    assert cases_of_shards == cases_of_two == cases
    assert sorted(merged.ledger, key=place_of) == sorted(whole.ledger, key=place_of)
    parts = (judged(replace(options, shard=shard))[1].total() for shard in SHARDS)
    assert sorted(parts) == [50, 100, 100]


def test_workers_of_a_shard_share_its_cases() -> None:
    options = Options(parts=("sweep",), programs=("enqueue",), aim=FEW, shard=Shard(2, 3), jobs=1)
    _, alone = judged(options)
    _, by_two = judged(replace(options, jobs=2))
    assert alone == by_two


def test_a_shard_of_fuzzing_begins_with_seeds_that_no_other_shard_has() -> None:
    seeds = [index for shard in SHARDS for index, _ in shard.shares(workers=2)]
    assert sorted(seeds) == list(range(6))


def test_a_missing_shard_leaves_the_verdict_unknown() -> None:
    options = Options(parts=("sweep",), programs=("enqueue",), aim=FEW, jobs=1)
    verdicts = [judged(replace(options, shard=shard))[0] for shard in SHARDS[:2]]
    merged = combined(verdicts, "midpipe")
    assert (merged.outcome, merged.partial) == (Outcome.UNKNOWN, True)
    assert merged.warnings[0] == "Of the 3 shards, 1 are missing (3)."
    with pytest.raises(UsageError, match="Two verdicts are on shard 1/3"):
        combined([verdicts[0], verdicts[0]], "midpipe")
    with pytest.raises(UsageError, match="whole run"):
        combined([judged(replace(options, max_faults=0))[0]], "midpipe")


def test_a_shard_that_gets_no_case_says_so_and_the_merged_verdict_does_not() -> None:
    options = Options(
        subject=SubjectSpec(SHIPPED),
        parts=("sweep",),
        programs=("enqueue-once",),
        aim=FEW,
        jobs=1,
    )
    count = 12
    shards = [
        judged(replace(options, shard=Shard(number, count)))[0] for number in range(1, count + 1)
    ]
    empty = [verdict for verdict in shards if EMPTY_SHARD in verdict.warnings]
    assert {sum(row.cases for row in verdict.parts) for verdict in empty} == {0}
    assert 0 < len(empty) < count
    assert not any(EMPTY_SHARD in warning for warning in combined(shards, "midpipe").warnings)
