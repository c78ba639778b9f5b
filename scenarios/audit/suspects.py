"""The suspects: what looked damaged once, until a later observation confirms or clears it. Pure.

    first: suspicious ── settle ──> later: the same, and nothing of the job has changed   -> confirmed
                                           suspicious, but the job has changed             -> settles again
                                           not suspicious                                  -> converged
                                           no key knows the job any more                   -> vanished

Only a confirmed suspicion counts. One that changes each time stays *undecided*, and so does one that there was no
room to keep: both are part of what the audit has not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from midpipe.scenarios.audit.layout import Damage
from midpipe.scenarios.audit.observation import Suspicion

MOST_OBSERVATIONS = 6
MOST_SUSPECTS = 100_000

Key = tuple[int, str, tuple[tuple[str, str], ...]]


class Fate(StrEnum):
    """What became of a suspect."""

    CONFIRMED = "confirmed"
    CONVERGED = "converged"
    VANISHED = "vanished"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A suspicion with its past.

    Args:
        observed_s: when the job was last read, in seconds.
        observations: how often it was suspicious.
    """

    suspicion: Suspicion
    observed_s: float
    observations: int = 1


class Suspects:
    """All suspects of one audit.

    Args:
        settle_s: how long a suspect settles between two observations, in seconds.
        most: how many are kept; the rest is counted as undecided.
    """

    def __init__(self, settle_s: float, most: int = MOST_SUSPECTS) -> None:
        self._settle_s = settle_s
        self._most = most
        self._open: dict[Key, Suspect] = {}
        self._confirmed: dict[Key, Suspicion] = {}
        self.fates: Counter[Fate] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def open(self) -> tuple[Suspect, ...]:
        """Those that still settle."""
        return tuple(self._open.values())

    @property
    def confirmed(self) -> tuple[Suspicion, ...]:
        """Those that were confirmed, in a stable order."""
        return tuple(sorted(self._confirmed.values(), key=_order))

    def counts(self) -> dict[Damage, int]:
        """Return how many jobs are confirmed of each kind of damage."""
        jobs = {(found.damage, found.job_id, found.parts) for found in self._confirmed.values()}
        counted = Counter(damage for damage, _, _ in jobs)
        return {damage: counted[damage] for damage in Damage}

    def add(self, found: Iterable[Suspicion], now_s: float) -> None:
        """Add what a first observation shows."""
        for suspicion in found:
            if suspicion.key in self._open or suspicion.key in self._confirmed:
                continue
            if len(self._open) + len(self._confirmed) >= self._most:
                self.fates[Fate.UNDECIDED] += 1
            else:
                self._open[suspicion.key] = Suspect(suspicion, now_s)

    def due(self, now_s: float) -> Iterator[Suspect]:
        """Yield the suspects that have settled."""
        return (
            suspect
            for suspect in tuple(self._open.values())
            if now_s - suspect.observed_s >= self._settle_s
        )

    def wait_s(self, now_s: float) -> float:
        """Return how long until all that are open have settled, in seconds."""
        latest = max((suspect.observed_s for suspect in self._open.values()), default=now_s)
        return max(0.0, latest + self._settle_s - now_s) if self._open else 0.0

    def observed_again(
        self, suspect: Suspect, found: Iterable[Suspicion], now_s: float, *, is_nowhere: bool
    ) -> None:
        """Take what a later observation of a suspect shows.

        Args:
            found: everything suspicious about the job now.
            is_nowhere: whether no key knows the job any more.
        """
        key = suspect.suspicion.key
        if key not in self._open:
            return
        again = next((other for other in found if other.key == key), None)
        if again is None:
            self._end(key, Fate.VANISHED if is_nowhere else Fate.CONVERGED)
        elif again.fingerprint == suspect.suspicion.fingerprint:
            self._end(key, Fate.CONFIRMED)
            self._confirmed[key] = again
        elif suspect.observations + 1 >= MOST_OBSERVATIONS:
            self._end(key, Fate.UNDECIDED)
        else:
            self._open[key] = Suspect(again, now_s, suspect.observations + 1)

    def not_seen(self, suspect: Suspect, now_s: float) -> None:
        """Take that the job could not be read again: the suspect settles again, and is undecided in the end."""
        key = suspect.suspicion.key
        if suspect.observations + 1 >= MOST_OBSERVATIONS:
            self._end(key, Fate.UNDECIDED)
        else:
            self._open[key] = Suspect(suspect.suspicion, now_s, suspect.observations + 1)

    def restore(
        self,
        open_suspects: Iterable[Suspect],
        confirmed: Iterable[Suspicion],
        fates: Iterable[tuple[Fate, int]],
    ) -> None:
        """Take over the suspects of an audit that was stopped."""
        self._open = {suspect.suspicion.key: suspect for suspect in open_suspects}
        self._confirmed = {found.key: found for found in confirmed}
        self.fates = Counter(dict(fates))

    def _end(self, key: Key, fate: Fate) -> None:
        self._open.pop(key, None)
        self.fates[fate] += 1


def _order(found: Suspicion) -> tuple[int, str, Key]:
    return (tuple(Damage).index(found.damage), found.job_id, found.key)
