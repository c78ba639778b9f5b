"""What can be asked of a subject without a case: whether it can be hosted, what it has, and its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.case.failing import see_after_failure
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import Message, Probed, SourceDone
from midpipe.scenarios.model.spec import SubjectSpec


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """Find out whether a subject can be hosted and can enqueue, and what it has.

    Args:
        persistence: of the server that it is tried on; None takes the one that keeps no data.
    """

    subject: SubjectSpec
    persistence: Persistence | None = None

    def run(self, worker: Worker) -> Iterator[Message]:
        rig = worker.rig(self.subject, self.persistence)
        see_after_failure(rig)
        yield Probed(rig.traits, rig.server.name)


@dataclass(frozen=True, slots=True)
class SourceTask:
    """Read the source of a subject's methods."""

    subject: SubjectSpec

    def run(self, worker: Worker) -> Iterator[Message]:
        sources = worker.rig(self.subject).sources()
        yield SourceDone(tuple((name, *source) for name, source in sorted(sources.items())))
