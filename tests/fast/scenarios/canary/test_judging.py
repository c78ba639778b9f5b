"""What a rule comes to, given the answers of Prometheus: no data is unknown, never pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.reference.migration import Phase
from midpipe.scenarios.canary.canary import plan_named
from midpipe.scenarios.canary.judging import Asked, Judged, judge
from midpipe.scenarios.canary.plan import Enough, Latency, Rule, Still, Within, read_plan
from midpipe.scenarios.canary.rollback import PHASES, ROLL_BACKS
from midpipe.scenarios.model.outcome import Outcome

PASS, UNKNOWN, FAIL = Outcome.PASS, Outcome.UNKNOWN, Outcome.FAIL
WORDS = {"canary": 'f="c"', "baseline": 'f="b"', "window": "60s", "phase": "old only"}


def judged(rule: Rule, answers: Mapping[str, tuple[float, ...] | str]) -> Judged:
    """Judge a rule; each answer is found by the beginning of its query, anything else has no data."""

    def ask(query: str) -> Asked:
        for beginning, answer in answers.items():
            if query.startswith(beginning):
                if isinstance(answer, str):
                    return Asked(query, error=answer)
                return Asked(query, answer)
        return Asked(query)

    return judge(rule, ask, ask, WORDS)


STILL = Still(name="n", counter="failed_total{$canary}", proof="writes_total{$canary}")
PRESENT, RISEN, APPEARED = 'count(writes_total{f="c"})', "sum(increase(failed", "sum(failed"


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({PRESENT: (2.0,), RISEN: (0.0,)}, PASS),
        ({PRESENT: (2.0,), RISEN: (0.5,)}, FAIL),
        ({PRESENT: (2.0,), APPEARED: (1.0,)}, FAIL),
        ({RISEN: (0.0,)}, UNKNOWN),
        ({}, UNKNOWN),
        ({PRESENT: (2.0,)}, UNKNOWN),
        ({PRESENT: "Prometheus does not answer", RISEN: (0.0,)}, UNKNOWN),
        # It rose, and is gone now: that it rose is known.
        ({RISEN: (3.0,)}, FAIL),
    ],
)
def test_a_counter_may_not_rise_and_has_to_be_there(
    answers: Mapping[str, tuple[float, ...] | str], outcome: Outcome
) -> None:
    assert judged(STILL, answers).outcome is outcome


def test_a_rule_that_does_not_ask_for_a_roll_back_is_unknown_when_it_does_not_hold() -> None:
    rule = Still(name="n", counter="failed_total", otherwise="unknown")
    assert judged(rule, {"count(failed": (1.0,), RISEN: (2.0,)}).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("values", "outcome"),
    [((), UNKNOWN), ((999.0,), UNKNOWN), ((1000.0,), PASS)],
)
def test_too_little_is_unknown(values: tuple[float, ...], outcome: Outcome) -> None:
    rule = Enough(name="n", counter="c", at_least=1000)
    assert judged(rule, {"sum": values}).outcome is outcome


def test_too_little_is_not_rounded_up_to_enough() -> None:
    rule = Enough(name="n", counter="c", at_least=1000)
    assert judged(rule, {"sum": (999.9,)}).reason == "999 of at least 1,000 so far"


@pytest.mark.parametrize(
    ("values", "outcome"),
    [((), UNKNOWN), ((math.nan,), UNKNOWN), ((0.0,), FAIL), ((1.0,), PASS), ((3.0,), FAIL)],
)
def test_a_value_has_to_be_within_its_bounds(values: tuple[float, ...], outcome: Outcome) -> None:
    assert (
        judged(Within(name="n", query="q", at_least=1, at_most=2), {"q": values}).outcome is outcome
    )


BASELINE = tuple(1.0 + number / 1000 for number in range(40))


@pytest.mark.parametrize(
    ("factor", "outcome"), [(0.5, PASS), (1.0, PASS), (1.05, PASS), (1.15, UNKNOWN), (1.3, FAIL)]
)
def test_a_canary_may_be_a_little_slower_and_no_more(factor: float, outcome: Outcome) -> None:
    rule = Latency(name="n", canary="c", baseline="b")
    slower = tuple(value * factor for value in BASELINE)
    assert judged(rule, {"c": slower, "b": BASELINE}).outcome is outcome


def test_too_few_values_of_either_fleet_are_unknown() -> None:
    rule = Latency(name="n", canary="c", baseline="b")
    slow = tuple(value * 9 for value in BASELINE)
    assert judged(rule, {"c": slow[:29], "b": BASELINE}).outcome is UNKNOWN
    assert judged(rule, {"c": slow, "b": BASELINE[:29]}).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "n"\nrule = []', "no rule"),
        ('name = "n"\n[[rule]]\nrule = "still"\nname = "r"\ncounter = "c{$canry}"', "$canry"),
        ('name = "n"\n[[rule]]\nrule = "within"\nname = "r"\nquery = "q"', "has no bound"),
        ('name = "n"\n[[rule]]\nrule = "stil"\nname = "r"', "Invalid value 'stil'"),
        (
            'name = "n"\n'
            + 2 * '[[rule]]\nrule = "enough"\nname = "r"\ncounter = "c"\nat_least = 1\n',
            "two rules have the name 'r'",
        ),
        (
            'name = "p"\n[[rule]]\nrule = "within"\nname = "r"\nquery = "a{b=~\'c$\'}"\nat_most = 1',
            "has a $ that begins no name",
        ),
    ],
)
def test_a_wrong_plan_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_plan(text)
    assert message in str(refused.value)


def test_a_plan_with_a_rule_for_a_phase_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'name = "p"\n[[rule]]\nrule = "enough"\nname = "r"\ncounter = "c"\nat_least = 1\nphases = ["dull"]'
    )
    with pytest.raises(UsageError, match="'dull'; the phases are old, dual-read-old"):
        plan_named(str(plan))


def test_the_phases_are_those_of_the_reference_and_each_way_back_is_to_a_neighbour() -> None:
    assert tuple(PHASES.values()) == tuple(phase.value for phase in Phase)
    order = list(PHASES)
    for phase, back in ROLL_BACKS.items():
        assert order.index(phase) - order.index(back.to) == 1
        assert Phase(PHASES[phase]).may_run_beside(Phase(PHASES[back.to]))


def test_the_rules_of_the_plan_that_ships_have_names_of_their_own() -> None:
    names = [rule.name for rule in plan_named("reviewed").rule]
    assert len(set(names)) == len(names)


def test_the_plan_in_the_documentation_can_be_read() -> None:
    text = (Path(__file__).parents[4] / "docs" / "canary.md").read_text(encoding="utf-8")
    plan = read_plan(text.split("```toml\n")[1].split("```")[0])
    assert {type(rule) for rule in plan.rule} == {Still, Within, Latency, Enough}
