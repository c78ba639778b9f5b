"""Which invariants a run judges by: midpipe's and the user's own, less those that the user left out.

A selection is a few names, so it travels to the processes that judge, and each of them looks the invariants up.

Blind to: whether the invariants that are left find anything to check; the verdict says that.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Invariant
from midpipe.scenarios.own_file import values_in


@dataclass(frozen=True, slots=True)
class Selection:
    """Names of invariants.

    Args:
        only: judge by these alone; empty judges by all.
        skip: do not judge by these.
        files: Python files with invariants of the user's own.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether the user left invariants out."""
        return bool(self.only or self.skip)

    @property
    def options(self) -> str:
        """The options that a replay needs to judge by the same invariants, quoted for a shell."""
        return shlex.join(word for file in self.files for word in ("--programs", file))

    @property
    def invariants(self) -> Mapping[str, Invariant]:
        """The invariants by id, midpipe's first.

        Raises:
            UsageError: a name is not that of an invariant, two invariants have one id, none is left, or a file can't be
                loaded.
        """
        known = {**INVARIANTS, **self._own()}
        for name in (*self.only, *self.skip):
            if name not in known:
                raise UsageError(f"There is no invariant {name!r}.{did_you_mean(name, known)}")
        chosen = {
            name: invariant
            for name, invariant in known.items()
            if name not in self.skip and (not self.only or name in self.only)
        }
        if not chosen:
            raise UsageError("--only and --skip leave no invariant to judge by.")
        return chosen

    def _own(self) -> dict[str, Invariant]:
        own: dict[str, Invariant] = {}
        for invariant in (each for file in self.files for each in values_in(file, Invariant)):
            if invariant.id in INVARIANTS or invariant.id in own:
                raise UsageError(
                    f"Two invariants have the id {invariant.id!r}. Give yours another one."
                )
            own[invariant.id] = invariant
        return own


ALL = Selection()
