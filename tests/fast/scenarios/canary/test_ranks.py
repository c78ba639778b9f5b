"""The Mann-Whitney test, against values that others have published and against every order of small groups."""

from __future__ import annotations

import itertools

import pytest

from midpipe.scenarios.canary.ranks import compare


def superiority_by_hand(first: list[float], second: list[float]) -> float:
    pairs = list(itertools.product(first, second))
    return sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0, 2.0, 3.0], [4.0, 5.0]),
        ([3.0, 3.0, 1.0], [3.0, 2.0]),
        ([5.0], [1.0, 1.0, 1.0]),
        ([1.0, 2.0], [1.0, 2.0]),
    ],
)
def test_the_effect_is_the_share_of_pairs(first: list[float], second: list[float]) -> None:
    assert compare(first, second).superiority == superiority_by_hand(first, second)


def test_p_is_close_to_the_share_of_orders_that_are_as_extreme() -> None:
    first = [7.0, 9.0, 11.0, 12.0, 15.0, 16.0]
    second = [1.0, 3.0, 4.0, 8.0, 10.0, 13.0]
    seen = superiority_by_hand(first, second)
    together = [*first, *second]
    splits = [
        superiority_by_hand(
            [together[index] for index in chosen],
            [value for index, value in enumerate(together) if index not in chosen],
        )
        for chosen in itertools.combinations(range(12), 6)
    ]
    exact = sum(value >= seen for value in splits) / len(splits)
    assert compare(first, second).p == pytest.approx(exact, abs=0.005)


def test_groups_that_do_not_differ_prove_nothing() -> None:
    assert compare([2.0] * 40, [2.0] * 40).p == 1.0
    assert compare([1.0, 2.0, 3.0] * 10, [1.0, 2.0, 3.0] * 10).p > 0.4


def test_a_smaller_group_is_no_evidence_that_it_is_greater() -> None:
    assert compare([1.0] * 30, [2.0] * 30).p > 0.999
    assert compare([2.0] * 30, [1.0] * 30).p < 1e-9


def test_a_few_stalls_do_not_decide_it() -> None:
    usual = [1.0 + number / 100 for number in range(50)]
    assert compare([*usual, 500.0, 900.0], usual).p > 0.3
