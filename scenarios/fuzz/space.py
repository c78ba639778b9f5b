"""The space that a batch of examples is drawn from: calls, versions, faults by kind, and what coverage still lacks.

Plain values; knows nothing of Hypothesis and of how an example is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from midpipe.faultinject.faults import CATALOGUE, Pace, pace_of
from midpipe.faultinject.vocabulary import FaultRef
from midpipe.scenarios.fuzz.verbs import method_of
from midpipe.scenarios.programs.calls import MALFORMED
from midpipe.scenarios.programs.themes import THEMES, Theme
from midpipe.scenarios.programs.written import STARTS

PLAIN_FAULTS = ("cut-before", "lost-reply")


class Steering(StrEnum):
    """What decides on the examples that come next."""

    NONE = "none"
    """Nothing that earlier examples have shown."""
    COVERAGE = "coverage"
    """One fault in four aims at a combination not seen yet; every fourth batch mutates what brought new coverage."""


@dataclass(frozen=True, slots=True)
class FuzzSpace:
    """What a batch may use.

    Args:
        verbs: the verbs of written programs that the subject supports.
        faults: names of the faults that may be planned.
        version_pair: the names of the versions that clients run and are restarted with; empty is the subject as it is.
        starts: the start states of written programs that hold a job which the subject can read.
        commands: by verb, the most commands that one attempt at the call has sent so far.
        unseen: by verb, pairs of a command's ordinal and a fault that no case has had yet.
        mutates: examples that brought new coverage are mutated.
    """

    verbs: frozenset[str]
    faults: tuple[str, ...]
    version_pair: tuple[str, ...] = ()
    starts: tuple[str, ...] = STARTS
    commands: Mapping[str, int] = field(default_factory=dict)
    unseen: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    mutates: bool = False

    @property
    def malformed(self) -> tuple[str, ...]:
        """What may be wrong with a malformed call, of the calls that the verbs make."""
        methods = set(map(method_of, self.verbs))
        return tuple(what for what, call in MALFORMED.items() if call.method in methods)

    @property
    def fault_groups(self) -> tuple[tuple[str, ...], ...]:
        """The faults in groups; an example uses one group. PLAIN_FAULTS comes twice, because it finds the most."""
        own = {name for name in self.faults if CATALOGUE[name].needs_own_server}
        clock = tuple(name for name in self.faults if CATALOGUE[name].needs_stepped_clock)
        by_pace = {
            pace: tuple(name for name in self.faults if pace_of(FaultRef(name)) is pace)
            for pace in Pace
        }
        plain = tuple(name for name in self.faults if name in PLAIN_FAULTS)
        network = tuple(
            name for name in by_pace[Pace.QUICK] if name not in own and name not in clock
        )
        server = tuple(name for name in by_pace[Pace.QUICK] if name in own)
        waiting, processes = by_pace[Pace.WAITS_FOR_TIME_OUT], by_pace[Pace.STARTS_A_PROCESS]
        groups = (plain, plain, network, server, waiting, processes, clock)
        return tuple(group for group in groups if group) or ((),)

    @property
    def themes(self) -> tuple[Theme, ...]:
        """The themes whose start state and faults are available and most of whose calls the subject supports."""
        return tuple(
            t
            for t in THEMES
            if 2 * len(t.verbs & self.verbs) > len(t.verbs)
            and (self.starts or t.begins != "seeded")
            and (not t.faults or set(t.faults) & set(self.faults))
        )
