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
        name: as in ``--queue`` and on PyPI.
        requires: further packages that it needs, as requirements.
        adapter: name of the file with the class ``Queue``.
        documented: what its documentation promises, and where, in one sentence.
    """

    name: str
    requires: tuple[str, ...]
    adapter: str
    documented: str

    @property
    def subject(self) -> str:
        """The adapter's class, as ``--subject`` takes it."""
        return f"{FOLDER / self.adapter}:Queue"


LIBRARIES: Mapping[str, Library] = MappingProxyType(
    {
        library.name: library
        for library in (
            Library(
                "rq",
                (),
                "rq_adapter.py",
                "A job whose worker dies goes to the FailedJobRegistry (documentation, Workers: worker crashes).",
            ),
            Library(
                "huey",
                ("redis",),
                "huey_adapter.py",
                "A task that was taken by a consumer which dies is lost (documentation, Guide: at most once).",
            ),
        )
    }
)
