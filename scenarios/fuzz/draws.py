"""The Hypothesis strategies that draw the order and the faults of an example, and the faults that a draw stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from midpipe.faultinject.decide.drawn import FaultAt
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.vocabulary import FaultRef
from midpipe.scenarios.fuzz.space import FuzzSpace
from midpipe.scenarios.programs.written import WrittenStep

MAX_CALLS = 8
MAX_FAULTS = 2
LAST_COMMAND = 6


@dataclass(frozen=True, slots=True)
class DrawnFault:
    """A fault as drawn: numbers, each taken modulo the number of choices once the program is complete."""

    call: int
    command: int
    attempt: int
    fault: int
    aim: int


FAULTS = st.builds(
    DrawnFault,
    call=st.integers(0, MAX_CALLS - 1),
    # 0 stands for the last command, which in most calls does the actual work.
    command=st.sampled_from((0, 0, 0, 1, 2, 3, *range(1, LAST_COMMAND + 1))),
    attempt=st.sampled_from((1, 1, 1, 2)),
    fault=st.integers(0, 31),
    aim=st.sampled_from((0, 0, 0, 1)),
)


# Either one or two preemptions in the order as written, or frequent changes of client.
_FEW_PICKS = st.dictionaries(
    st.sampled_from((0, 1, 2, 3, 4, 5, *range(11))), st.integers(1, 2), min_size=1, max_size=2
).map(lambda places: [places.get(number, 0) for number in range(1 + max(places))])
_MANY_PICKS = st.lists(st.sampled_from((0, 0, 1, 2)), max_size=16)
PICKS = _FEW_PICKS | _MANY_PICKS


def placed_faults(
    drawn: Sequence[DrawnFault],
    names: tuple[str, ...],
    calls: Sequence[WrittenStep],
    space: FuzzSpace,
) -> tuple[FaultAt, ...]:
    """Return the faults that the drawn numbers stand for, once the program is complete.

    Args:
        names: of the faults to choose from; without any there is no fault.
        calls: of the program, in order.
    """
    if not names:
        return ()
    return tuple(_placed(fault, drawn[0], names, calls, space) for fault in drawn)


def _placed(
    drawn: DrawnFault,
    first: DrawnFault,
    names: tuple[str, ...],
    calls: Sequence[WrittenStep],
    space: FuzzSpace,
) -> FaultAt:
    # Only a call that met the first fault is attempted again.
    again = drawn is not first and drawn.attempt > 1
    number = (first if again else drawn).call % len(calls)
    step = calls[number]
    unseen = space.unseen.get(step.verb, ())
    commands = space.commands.get(step.verb, LAST_COMMAND)
    command = (drawn.command - 1) % commands + 1 if drawn.command else commands
    name = names[drawn.fault % len(names)]
    if drawn.aim and unseen:
        command, name = unseen[drawn.fault % len(unseen)]
    variants = CATALOGUE[name].variants
    fault = FaultRef(name, variants[drawn.fault % len(variants)])
    operation = sum(1 for other in calls[: number + 1] if other.client == step.client)
    return FaultAt(step.client, operation, command, fault, 2 if again else 1)
