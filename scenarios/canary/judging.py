"""Judges one measurement: what the queries of each rule said, against the rule. Pure.

No data is unknown, never pass: an exporter that is gone, or a metric that was renamed, looks like a counter at rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from string import Template

from midpipe.scenarios.canary.plan import Enough, Latency, Rule, Still, Within
from midpipe.scenarios.canary.ranks import compare
from midpipe.scenarios.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with its answer.

    Args:
        query: PromQL, as it was sent.
        values: the answer's numbers; of a range, all of them.
        error: why there is no answer; empty if there is one.
    """

    query: str
    values: tuple[float, ...] = ()
    error: str = ""

    @property
    def shown(self) -> str:
        """The answer as text."""
        if self.error:
            return self.error
        if not self.values:
            return "no data"
        if len(self.values) > 1:
            return f"{len(self.values)} values, median {median(self.values):.6g}"
        return f"{self.values[0]:.6g}"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule came to in one measurement.

    Args:
        rule: its name.
        outcome: pass, unknown or fail.
        reason: why, as a sentence.
        asked: the queries and their answers.
    """

    rule: str
    outcome: Outcome
    reason: str
    asked: tuple[Asked, ...]


Ask = Callable[[str], Asked]


def judge(rule: Rule, instant: Ask, over_time: Ask, words: Mapping[str, str]) -> Judged:
    """Ask what a rule needs and judge it.

    Args:
        instant: answers a query as of now.
        over_time: answers a query at each step of the window.
        words: what ``$canary``, ``$baseline``, ``$window`` and ``$phase`` stand for.
    """

    def filled(text: str) -> str:
        return Template(text).substitute(words)

    asked: tuple[Asked, ...]
    match rule:
        case Still():
            counter, window = filled(rule.counter), words["window"]
            present = instant(f"count({filled(rule.proof or rule.counter)})")
            risen = instant(f"sum(increase({counter}[{window}]))")
            # A counter that appears with its first event has risen from 0, which increase does not see.
            appeared = instant(f"sum({counter} unless ({counter} offset {window}))")
            asked = (present, risen, appeared)
            outcome, reason = _still(present, risen, appeared)
        case Enough():
            risen = instant(f"sum(increase({filled(rule.counter)}[{words['window']}]))")
            asked = (risen,)
            outcome, reason = _enough(rule, risen)
        case Within():
            value = instant(filled(rule.query))
            asked = (value,)
            outcome, reason = _within(rule, value)
        case Latency():
            canary, baseline = over_time(filled(rule.canary)), over_time(filled(rule.baseline))
            asked = (canary, baseline)
            outcome, reason = _latency(rule, canary, baseline)
    if outcome is Outcome.FAIL and rule.otherwise == "unknown":
        outcome = Outcome.UNKNOWN
    if any(each.error for each in asked):
        outcome = Outcome.UNKNOWN
        reason = next(each.error for each in asked if each.error)
    return Judged(rule.name, outcome, reason, asked)


def _still(present: Asked, risen: Asked, appeared: Asked) -> tuple[Outcome, str]:
    increase = max(sum(risen.values), sum(appeared.values), 0.0)
    if increase > 0:
        return Outcome.FAIL, f"rose by {increase:.6g}"
    if not present.values or present.values[0] <= 0:
        return Outcome.UNKNOWN, "there is no such series now, so that it did not rise means nothing"
    if not risen.values:
        return Outcome.UNKNOWN, "the series is too new to have risen"
    return Outcome.PASS, "did not rise"


def _enough(rule: Enough, risen: Asked) -> tuple[Outcome, str]:
    if not risen.values:
        return Outcome.UNKNOWN, "no data"
    seen = risen.values[0]
    # Prometheus extrapolates an increase to the window's ends, so it has a fraction: 999.9 is not shown as 1,000.
    whole = f"{math.floor(seen):,}"
    if seen < rule.at_least:
        return Outcome.UNKNOWN, f"{whole} of at least {rule.at_least:,.0f} so far"
    return Outcome.PASS, f"{whole}, at least {rule.at_least:,.0f}"


def _within(rule: Within, seen: Asked) -> tuple[Outcome, str]:
    if not seen.values or math.isnan(seen.values[0]):
        return Outcome.UNKNOWN, "no data"
    value = seen.values[0]
    if rule.at_most is not None and value > rule.at_most:
        return Outcome.FAIL, f"{value:.6g} is more than {rule.at_most:.6g}"
    if rule.at_least is not None and value < rule.at_least:
        return Outcome.FAIL, f"{value:.6g} is less than {rule.at_least:.6g}"
    return Outcome.PASS, f"{value:.6g}"


def _latency(rule: Latency, canary: Asked, baseline: Asked) -> tuple[Outcome, str]:
    least = min(len(canary.values), len(baseline.values))
    if least < rule.least_samples:
        return (
            Outcome.UNKNOWN,
            f"{len(canary.values)} values of the canary and {len(baseline.values)} of the baseline, "
            f"of at least {rule.least_samples} each",
        )
    compared = compare(canary.values, baseline.values)
    usual = median(baseline.values)
    ratio = median(canary.values) / usual if usual > 0 else math.inf
    figures = (
        f"median {ratio:.0%} of the baseline's, greater in {compared.superiority:.0%} of pairs, "
        f"p = {compared.p:.2g}"
    )
    is_slower = compared.p < rule.alpha
    if is_slower and ratio > rule.fail_above:
        return Outcome.FAIL, f"{figures}; more than {rule.fail_above:.0%}"
    if is_slower and ratio > rule.hold_above:
        return (
            Outcome.UNKNOWN,
            f"{figures}; more than {rule.hold_above:.0%}, at which it may not advance",
        )
    return Outcome.PASS, figures
