"""Looks for known bugs: searches the release that has each, and the one that does not, with the same search."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from midpipe.faultinject.errors import SubjectError, UsageError
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Task, Worker
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.known_bugs.bug import KnownBug, Release
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.messages import HuntDone, Message
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Outcome, merge
from midpipe.scenarios.subjects.environments import install

PATIENCE_S = 60.0


class Shown(StrEnum):
    """What the search of one release has shown."""

    FOUND = "found"
    NOT_FOUND = "not found"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Searched:
    """The search of one release.

    Args:
        cases: how many were run; up to and with the one that showed the bug, if it was found.
        seconds: how long the search took, without the installation.
        replay: the case that showed the bug.
        seen: what was observed, in one sentence.
        replays: the case in the registry shows the bug too; None if that was not asked.
        reason: why the result is unknown.
    """

    requirement: str
    shown: Shown
    cases: int = 0
    seconds: float = 0.0
    replay: str = ""
    seen: str = ""
    replays: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BugResult:
    """What was found of one bug. ``good`` is None if no release without the bug is known."""

    bug: KnownBug
    bad: Searched
    good: Searched | None

    @property
    def outcome(self) -> Outcome:
        """PASS if the bug was found, by the replay line too, and is not in the release that does not have it."""
        outcomes = [_OUTCOMES[self.bad.shown, True]]
        if self.bad.replays is False:
            outcomes.append(Outcome.FAIL)
        if self.good is not None:
            outcomes.append(_OUTCOMES[self.good.shown, False])
        return merge(outcomes)


_OUTCOMES = {
    (Shown.FOUND, True): Outcome.PASS,
    (Shown.NOT_FOUND, True): Outcome.FAIL,
    (Shown.FOUND, False): Outcome.FAIL,
    (Shown.NOT_FOUND, False): Outcome.PASS,
    (Shown.UNKNOWN, True): Outcome.UNKNOWN,
    (Shown.UNKNOWN, False): Outcome.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class BugTask:
    """Search one release for a bug.

    Args:
        hunt: the search; its deadline is set when the task begins.
        budget_s: seconds after which no case begins.
        replay: a case to run after the search; empty runs none.
    """

    hunt: HuntTask
    budget_s: float
    replay: str = ""

    def run(self, worker: Worker) -> Iterator[Message]:
        hunt = replace(self.hunt, deadline_s=time.monotonic() + self.budget_s)
        began_s = time.monotonic()
        try:
            for message in hunt.run(worker):
                if not isinstance(message, HuntDone):
                    yield message
                    continue
                seconds = time.monotonic() - began_s
                yield replace(message, seconds=seconds, replays=self._replays(worker))
        except SubjectError as error:
            yield HuntDone((), cases=0, invalid=0, runnable=0, reason=str(error))

    def _replays(self, worker: Worker) -> bool | None:
        if not self.replay:
            return None
        run = replay_case(worker, self.hunt.subject, self.replay, self.hunt.latency_bound_ms)
        return run.violates(self.hunt.invariants[0])


def search_bugs(bugs: Sequence[KnownBug], server: ServerSpec, jobs: int) -> Iterator[BugResult]:
    """Search both releases of every bug; yields a result when both searches of a bug are done.

    Args:
        jobs: number of workers, each with a server of its own.

    Raises:
        ServerError: the server can't be started.
    """
    searches = [
        (bug, release, is_bad)
        for bug in bugs
        for release, is_bad in ((bug.bad, True), (bug.good, False))
        if release is not None
    ]
    done: dict[tuple[str, bool], Searched] = {}
    waiting = iter(enumerate(searches))

    def next_task() -> tuple[int, Task] | None:
        for number, (bug, release, is_bad) in waiting:
            try:
                return number, _task(bug, release, replays=is_bad)
            except UsageError as error:
                reason = str(error)
                done[bug.id, is_bad] = Searched(
                    bug.requirement(release), Shown.UNKNOWN, reason=reason
                )
        return None

    yielded: set[str] = set()
    pool = Pool(server, jobs)
    try:
        for number, message in pool.run_from(next_task):
            if isinstance(message, HuntDone):
                bug, release, is_bad = searches[number]
                done[bug.id, is_bad] = _searched(bug, release, message)
                yield from _complete(bugs, done, yielded)
        yield from _complete(bugs, done, yielded)
    finally:
        pool.close()


def _complete(
    bugs: Sequence[KnownBug], done: dict[tuple[str, bool], Searched], yielded: set[str]
) -> Iterator[BugResult]:
    """Yield the bugs of which every search is done, each once."""
    for bug in bugs:
        bad, good = done.get((bug.id, True)), done.get((bug.id, False))
        if bug.id not in yielded and bad and (good or bug.good is None):
            yielded.add(bug.id)
            yield BugResult(bug, bad, good)


def _task(bug: KnownBug, release: Release, *, replays: bool) -> BugTask:
    """Return the search of a release. Raises UsageError if it can't be installed."""
    search = bug.search
    hunt = HuntTask(
        subject_of(bug, release),
        (bug.invariant,),
        latency_bound_ms=DEFAULT_LATENCY_BOUND_MS,
        programs=search.programs,
        faults=search.faults,
        commands=search.commands,
        suite=search.suite,
    )
    return BugTask(hunt, search.budget_s, bug.replay if replays else "")


def subject_of(bug: KnownBug, release: Release) -> SubjectSpec:
    """Return the bug's adapter with a release, which is installed if it is not yet. Raises UsageError."""
    library = replace(bug.target, requires=(*bug.target.requires, *release.beside))
    found = install(library, release.version)
    return SubjectSpec(
        found.subject,
        python=found.python,
        environment=bug.environment,
        promises=tuple(library.promises.items()),
        patience_s=PATIENCE_S,
    )


def _searched(bug: KnownBug, release: Release, done: HuntDone) -> Searched:
    caught = next((c for c in done.caught if c.invariant == bug.invariant), None)
    searched = Searched(
        requirement=bug.requirement(release),
        shown=Shown.NOT_FOUND,
        cases=caught.case_number if caught else done.cases,
        seconds=round(caught.seconds if caught else done.seconds, 2),
        replays=done.replays,
    )
    if caught:
        return replace(searched, shown=Shown.FOUND, replay=caught.replay, seen=caught.seen)
    if reason := _why_unknown(done):
        return replace(searched, shown=Shown.UNKNOWN, reason=reason)
    return searched


def _why_unknown(done: HuntDone) -> str:
    """Return why a search that found nothing proves nothing, or an empty string."""
    if done.reason:
        return done.reason
    if not done.runnable:
        return "the subject has none of the calls that the programs make"
    if done.stopped:
        return f"the budget ended after {done.cases} cases, before every case had run"
    if done.invalid:
        return f"{done.invalid} of {done.cases} cases were invalid"
    if done.unconfirmed:
        return f"{done.unconfirmed} cases violated an invariant once, and did not when run again"
    return ""
