"""The form of a known bug: what happened, which releases have it, and the search that finds it. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from midpipe.scenarios.queues import Language, Library

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Search:
    """A bounded search.

    Args:
        programs: names of the programs to run, or their text.
        faults: names of the faults to inject, one per case; empty takes all.
        commands: names of the commands to break; empty takes all.
        suite: ``sweep`` injects the faults with one client; ``interleave`` runs every order of several, without faults.
        budget_s: seconds after which no case begins.
    """

    programs: tuple[str, ...]
    faults: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    suite: str = "sweep"
    budget_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Release:
    """A release of a library.

    Args:
        version: as on PyPI.
        beside: what is installed with it, as requirements; pins what was current when it was released.
    """

    version: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownBug:
    """A bug of a release.

    Args:
        id: the library and a few words, joined by hyphens.
        target: what to install, and the adapter that shows the bug.
        summary: what happened, in one sentence.
        source: repository and number of the issue or pull request, for example ``redis/redis-py#977``; the path of a
            report in ``docs/reports`` for a bug that is unreported as far as we know.
        bad: a release that has the bug.
        good: a release that does not have it; None if no release is known.
        invariant: what the bug violates.
        search: what finds it.
        replay: a case that the search has found.
        environment: variables set for the adapter, by name.
        is_quick: it is found within seconds, so that every CI run can afford it.
    """

    id: str
    target: Library
    summary: str
    source: str
    bad: Release
    good: Release | None
    invariant: str
    search: Search
    replay: str
    environment: tuple[tuple[str, str], ...] = ()
    is_quick: bool = False

    def requirement(self, release: Release) -> str:
        """The release as an installer takes it: ``rq==1.12.0``."""
        return self.target.packages(release.version)[0]


def adapted(
    package: str,
    file: str,
    kind: str,
    requires: tuple[str, ...] = (),
    language: Language = Language.PYTHON,
) -> Library:
    """Return a package with a class of a file in ``subjects`` as its adapter, which says itself what it promises.

    Args:
        requires: further packages that it needs, as requirements.
    """
    adapter = f"{FOLDER / 'subjects' / file}:{kind}"
    name = package.replace("/", "-")
    return Library(name, package, adapter, {}, "", requires=requires, language=language)
