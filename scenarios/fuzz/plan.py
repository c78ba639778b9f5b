"""The plan of one example, and the result of running it. Plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from midpipe.faultinject.decide.drawn import FaultAt
from midpipe.scenarios.programs.written import WrittenStep, written


@dataclass(frozen=True, slots=True)
class Plan:
    """One example: the steps of a program, and the numbers that decide its order.

    Args:
        picks: as in midpipe.faultinject.decide.drawn.Drawn.
    """

    steps: tuple[WrittenStep, ...]
    picks: tuple[int, ...]
    faults: tuple[FaultAt, ...]

    @property
    def program(self) -> str:
        return written(self.steps)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one example.

    Args:
        novelty: how much new coverage it brought, which Hypothesis maximises.
        new_violation: the violations that no earlier example had, as text; empty if there are none. Hypothesis treats
            it as a failure and ends the batch. A violation that is known already is no failure, because Hypothesis
            would then never get past a frequent bug to a rarer one.
    """

    novelty: float
    new_violation: str = ""


class Enough(BaseException):
    """No further example is to be run: the time is up, or everything hunted for is found.

    Not an Exception, because Hypothesis takes those for failures of the example.
    """


Run = Callable[[Plan], Result]
"""Runs a plan. For the same plan it must return the same result again. It may raise Enough, which ends the batch."""
