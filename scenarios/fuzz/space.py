"""What a batch of random examples may be made of: calls, versions, faults by kind, and what was seen too little of.

Plain values for whoever draws from them; knows no Hypothesis and no engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from midpipe.faultinject.faults import CATALOGUE, Pace, pace_of
from midpipe.faultinject.vocabulary import FaultRef
from midpipe.scenarios.programs.themes import THEMES, Theme
from midpipe.scenarios.programs.written import STARTS

PLAIN_FAULTS = ("cut-before", "lost-reply")


@dataclass(frozen=True, slots=True)
class FuzzSpace:
    """What a batch may plan with.

    Args:
        verbs: of written programs, those that the subject can do.
        faults: by name, those that may be planned.
        meeting: the versions, by name, that clients run and are rolled between; empty is the subject as it is.
        starts: of written programs, those that lay a job which the subject can read.
        commands: by verb, the most commands that an attempt at it was seen to send.
        unseen: by verb, commands and faults there that were never seen together.
    """

    verbs: frozenset[str]
    faults: tuple[str, ...]
    meeting: tuple[str, ...] = ()
    starts: tuple[str, ...] = STARTS
    commands: Mapping[str, int] = field(default_factory=dict)
    unseen: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)

    @property
    def kinds_of_faults(self) -> tuple[tuple[str, ...], ...]:
        """The faults by kind, of which an example keeps to one; those that say whether a command ran come twice."""
        own = {name for name in self.faults if CATALOGUE[name].needs_own_server}
        by_pace = {
            pace: tuple(name for name in self.faults if pace_of(FaultRef(name)) is pace)
            for pace in Pace
        }
        plain = tuple(name for name in self.faults if name in PLAIN_FAULTS)
        network = tuple(name for name in by_pace[Pace.QUICK] if name not in own)
        server = tuple(name for name in by_pace[Pace.QUICK] if name in own)
        waiting, processes = by_pace[Pace.WAITS_FOR_TIME_OUT], by_pace[Pace.STARTS_A_PROCESS]
        kinds = (plain, plain, network, server, waiting, processes)
        return tuple(kind for kind in kinds if kind) or ((),)

    @property
    def themes(self) -> tuple[Theme, ...]:
        """Those for most of whose calls there are means, and for their start."""
        return tuple(
            t
            for t in THEMES
            if 2 * len(t.verbs & self.verbs) > len(t.verbs) and (self.starts or t.begins != "laid")
        )
