"""The rules by which a roll-out is judged, as a TOML file. Pure.

In every PromQL text ``$canary`` and ``$baseline`` stand for the label matchers of the two fleets, ``$window`` for the
time that is judged and ``$phase`` for the migration's phase.
"""

from __future__ import annotations

import tomllib
from string import Template
from typing import Literal

import msgspec


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a plan: unknown names in it are errors."""


class _Rule(_Part, frozen=True, kw_only=True, tag_field="rule"):
    """A rule.

    Args:
        name: for reports.
        why: what it means if it does not hold.
        phases: of the migration in which it counts; empty is all.
        otherwise: the outcome if it does not hold: fail asks for a roll-back, unknown for staying in the phase.
    """

    name: str
    why: str = ""
    phases: tuple[str, ...] = ()
    otherwise: Literal["fail", "unknown"] = "fail"


class Still(_Rule, frozen=True, kw_only=True, tag="still"):
    """A counter does not rise, not even once.

    Args:
        counter: selects its series.
        proof: selects series that exist wherever the counter is exported; the counter itself, if empty. Where a series
            appears with its first event only, its absence proves nothing.
    """

    counter: str
    proof: str = ""


class Enough(_Rule, frozen=True, kw_only=True, tag="enough"):
    """A counter has risen by so much; otherwise there is too little to judge by."""

    counter: str
    at_least: float


class Within(_Rule, frozen=True, kw_only=True, tag="within"):
    """The value of a query is within bounds.

    Args:
        query: PromQL with one value.
        at_least, at_most: the bounds; None is none.
    """

    query: str
    at_least: float | None = None
    at_most: float | None = None


class Latency(_Rule, frozen=True, kw_only=True, tag="latency"):
    """The canary is not slower than the baseline.

    Args:
        canary, baseline: PromQL; each may have several series, and all their values in the window are compared.
        hold_above: the ratio of the medians above which it does not advance.
        fail_above: the ratio above which it is rolled back.
        alpha: the difference counts if chance alone makes one so large less often than that.
        least_samples: of each fleet.
    """

    canary: str
    baseline: str
    hold_above: float = 1.1
    fail_above: float = 1.2
    alpha: float = 0.02
    least_samples: int = 30


Rule = Still | Enough | Within | Latency


class Plan(_Part, frozen=True, kw_only=True):
    """The rules of a roll-out.

    Args:
        name, summary: for reports.
        rule: the rules; all have to hold.
    """

    name: str
    summary: str = ""
    rule: tuple[Rule, ...]


def read_plan(text: str) -> Plan:
    """Return the plan that a TOML text describes. Raises ValueError, which says what is wrong and where."""
    try:
        plan = msgspec.convert(tomllib.loads(text), Plan)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from error
    if not plan.rule:
        raise ValueError("it has no rule, so nothing would be judged")
    names = [rule.name for rule in plan.rule]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"two rules have the name {twice[0]!r}, by which their failures are counted"
        )
    for rule in plan.rule:
        for query in queries_of(rule):
            if not Template(query).is_valid():
                raise ValueError(
                    f"the rule {rule.name!r} has a $ that begins no name; write $$ for one"
                )
            if unknown := set(Template(query).get_identifiers()) - {
                "canary",
                "baseline",
                "window",
                "phase",
            }:
                raise ValueError(
                    f"the rule {rule.name!r} names ${min(unknown)}, which does not exist"
                )
        if isinstance(rule, Within) and rule.at_least is None and rule.at_most is None:
            raise ValueError(f"the rule {rule.name!r} has no bound")
    return plan


def queries_of(rule: Rule) -> tuple[str, ...]:
    """Return the PromQL texts of a rule."""
    match rule:
        case Still():
            return (rule.counter, rule.proof or rule.counter)
        case Enough():
            return (rule.counter,)
        case Within():
            return (rule.query,)
        case Latency():
            return (rule.canary, rule.baseline)
