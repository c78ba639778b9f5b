"""Released queue libraries by name: which packages each needs, and the adapter that maps it to the contract.

An adapter is a file of its own beside this one, hosted by the interpreter of an environment in which the library is
installed; so it imports nothing of midpipe's but the job's body. Its name is not the library's, which it would hide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Library:
    """A released queue library.

    Args:
        name: as in ``--queue``.
        adapter: name of the file with the class ``Queue``.
        documented: what its documentation promises, and where, in one sentence.
        package: its name on PyPI.
        extra: the extra of its package that brings its Redis driver; empty if there is none.
        requires: further packages that it needs, as requirements.
    """

    name: str
    adapter: str
    documented: str
    package: str
    extra: str = ""
    requires: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The adapter's class, as ``--subject`` takes it."""
        return f"{FOLDER / self.adapter}:Queue"

    def packages(self, version: str) -> tuple[str, ...]:
        """Return what to install for a release, as requirements; for the newest if the version is empty."""
        extra = f"[{self.extra}]" if self.extra else ""
        pinned = f"=={version}" if version else ""
        return (f"{self.package}{extra}{pinned}", *self.requires)


LIBRARIES: Mapping[str, Library] = MappingProxyType(
    {
        library.name: library
        for library in (
            Library(
                "rq",
                "rq_adapter.py",
                "A job whose worker dies goes to the FailedJobRegistry (documentation, Workers: worker crashes).",
                package="rq",
            ),
            Library(
                "huey",
                "huey_adapter.py",
                "A task that was taken by a consumer which dies is lost (documentation, Guide: at most once).",
                package="huey",
                requires=("redis",),
            ),
        )
    }
)
