"""Values that travel between the gate and its workers."""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.scenarios.model.record import Violation


@dataclass(frozen=True, slots=True)
class CaseEnded:
    """The result of one case, with what is needed to count and to replay it; its story is recorded in a later run.

    Args:
        fault: names of the faults, joined by ``+``; ``none`` if there is none.
        faults: number of faults.
        invalid_reason: why the case is invalid; empty if it is valid.
        observations: how many observations each invariant made.
        crashed: invariants whose checker crashed, with the error.
        seconds: time spent on reset, connecting, operations and judging.
        blob: Hypothesis' reproduce line, if this is the fuzzed example in which a violation was new.
    """

    program: str
    replay: str
    fault: str
    faults: int
    valid: bool
    invalid_reason: str
    violations: tuple[Violation, ...]
    observations: tuple[tuple[str, int], ...]
    crashed: tuple[str, ...]
    seconds: tuple[float, float, float, float]
    blob: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Random orders of a program, instead of every order.

    Args:
        runs: number of orders.
        seed: the same seed gives the same orders.
        depth: bug depth of PCT, which gives the clients random priorities; None picks any client at each point.
    """

    runs: int
    seed: int
    depth: int | None = None
