"""A cell of the drivers' table shows the worst case of a fault; what is not known is not shown as measured."""

from __future__ import annotations

import pytest

from midpipe.scenarios.drivers.commands import Behaviour, DriverRow, InvalidCase, worst_of
from midpipe.scenarios.drivers.registry import REDIS_PY

ROW = DriverRow("a-driver", "1.0", "Client()", "RPUSH", behaviours=())


def case(
    fault: str,
    applied: int,
    *,
    answered: bool = False,
    raised: bool = False,
    answer_is_right: bool = True,
) -> Behaviour:
    return Behaviour(
        fault,
        applied,
        answered=answered,
        raised=raised,
        answer_is_right=answer_is_right,
        replay=f"{fault} {applied}",
    )


ANSWERED = case("cut-before", 1, answered=True)
RAISED = case("cut-before", 0, raised=True)
NEVER_RETURNED = case("cut-before", 0)
TWICE = case("cut-before", 2, answered=True)
WRONG = case("cut-before", 1, answered=True, answer_is_right=False)
LOST = case("lost-reply", 1, raised=True)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (ANSWERED, RAISED),
        (RAISED, NEVER_RETURNED),
        (NEVER_RETURNED, WRONG),
        (WRONG, TWICE),
    ],
    ids=[
        "a right answer is better than an error",
        "an error is better than no answer",
        "no answer is better than a wrong one",
        "of two that deceive the one that ran more often is worse",
    ],
)
def test_the_worse_of_two_cases_is_shown(better: Behaviour, worse: Behaviour) -> None:
    for cases in ((better, worse), (worse, better)):
        assert worst_of(ROW, (LOST, *cases)).behaviours == (LOST, worse)


def test_a_reply_is_lost_by_a_reset_or_a_fin_and_the_worse_of_both_is_shown() -> None:
    after_a_fin = case("lost-reply-fin", 2, answered=True)
    lost, _ = worst_of(ROW, (LOST, after_a_fin, RAISED)).behaviours
    assert (lost.fault, lost.applied, lost.replay) == ("lost-reply", 2, "lost-reply-fin 2")


def test_a_fault_with_an_invalid_case_is_not_shown_because_that_case_may_be_the_worst() -> None:
    invalid = InvalidCase("lost-reply-fin", "The server has gone.")
    row = worst_of(ROW, (LOST, invalid, RAISED))
    assert (row.behaviours, row.reason) == ((RAISED,), "The server has gone.")


def test_a_fault_that_met_no_command_is_not_shown_and_the_reason_says_so() -> None:
    row = worst_of(ROW, (RAISED,))
    assert (row.behaviours, row.reason) == ((RAISED,), "No command of the call met lost-reply.")


@pytest.mark.parametrize(
    ("version", "clients"), [("3.5.3", 2), ("4.1.4", 2), ("4.2.0rc1", 4), ("10.0", 4)]
)
def test_a_release_has_the_asyncio_clients_from_4_2_on(version: str, clients: int) -> None:
    assert len(tuple(REDIS_PY.constructors_of([version]))) == clients
