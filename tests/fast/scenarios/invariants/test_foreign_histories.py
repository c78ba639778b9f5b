"""The search for an order of calls, held against verdicts that others wrote on histories which Jepsen recorded.

The files in ``tests/data/histories`` name their sources. Of the 102 registers that porcupine's tests judge, 41 are
here: 20 of the 23 that are linearizable, and 21 of the 79 that are not. The search agreed on all 102 when it was
written; the three that are left out take seconds each, because many of their calls were never answered.

midpipe judges no such register itself: a job's status only goes forward, and its register shares this search.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from midpipe.scenarios.invariants.linearizability import NEVER, Answer
from midpipe.scenarios.invariants.order_search import search_order

HISTORIES = Path(__file__).resolve().parents[3] / "data" / "histories"
CALL = re.compile(r"(\d+)-(\d*):([arwc])([^+!]*)([+!]?)")


@dataclass(frozen=True)
class Call:
    """One call: ``begin-end:what`` as the files write it."""

    kind: str
    value: str
    result: str
    start: float
    end: float

    @property
    def is_answered(self) -> bool:
        return self.end != NEVER


def histories(file: str) -> dict[str, tuple[str, tuple[Call, ...]]]:
    """Return verdict and calls of each history in a file, by its name."""
    lines = (HISTORIES / file).read_text("utf-8").splitlines()
    rows = (line.split(" ", 2) for line in lines if not line.startswith("#"))
    return {name: (verdict, tuple(map(call, text.split()))) for name, verdict, text in rows}


def call(word: str) -> Call:
    found = CALL.fullmatch(word)
    assert found, word
    start, end, kind, value, result = found.groups()
    return Call(kind, value, result, float(start), float(end) if end else NEVER)


def register(call: Call, held: str) -> tuple[str, ...]:
    """A register with compare-and-set."""
    if call.kind == "r":
        return (held,) if call.value == held else ()
    if call.kind == "w":
        return (call.value,) if call.is_answered else (call.value, held)
    expected, wanted = call.value.split(">")
    if not call.is_answered:
        return (wanted, held) if expected == held else (held,)
    if call.result == "+":
        return (wanted,) if expected == held else ()
    return (held,) if expected != held else ()


def mutex(call: Call, is_held: bool) -> tuple[bool, ...]:
    """A lock that one process holds at a time."""
    wanted = call.kind == "a"
    if not call.is_answered:
        return (wanted, is_held) if is_held != wanted else (is_held,)
    return (wanted,) if is_held != wanted else ()


REGISTERS = histories("registers.txt")


@pytest.mark.parametrize("name", REGISTERS)
def test_a_register_is_judged_as_by_porcupine(name: str) -> None:
    verdict, calls = REGISTERS[name]
    assert search_order(calls, "-", register).answer == verdict


def test_both_verdicts_are_among_the_registers() -> None:
    assert {verdict for verdict, _ in REGISTERS.values()} == {"holds", "violated"}


def test_a_lock_that_two_processes_hold_is_judged_as_by_knossos() -> None:
    ((verdict, calls),) = histories("mutexes.txt").values()
    found = search_order(calls, False, mutex)
    assert found.answer == verdict
    # What comes before is a sound history: each lock of it was free.
    assert found.stuck_at is not None
    before = tuple(
        replace(each, end=NEVER) if each.end > found.stuck_at.start else each
        for each in calls
        if each.start < found.stuck_at.start
    )
    assert search_order(before, False, mutex).answer is Answer.HOLDS


def test_a_search_that_is_too_large_is_unknown() -> None:
    pending = [Call("w", str(number), "", 0.0, NEVER) for number in range(12)]
    seen = Call("r", "none", "", 1.0, 2.0)
    assert search_order([*pending, seen], "-", register, most=1_000).answer is Answer.UNKNOWN
