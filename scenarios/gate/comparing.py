"""Judges several queues by the same programs, faults and budget, so that they can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.servers.opening import WALL, ServerSpec
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Event, Listener, Options
from midpipe.scenarios.latency.throughput import rate_of
from midpipe.scenarios.model.comparison import (
    PROGRAMS,
    Compared,
    Measured,
    checked_in,
    shown,
    unchecked_in,
)
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.promises import Source
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.queues import Library


@dataclass(frozen=True, slots=True)
class Competitor:
    """A queue to judge, and its library if it is a released one."""

    subject: SubjectSpec
    release: Library | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Name and version, as in the row."""
        name, _, version = self.subject.requirement.partition("==")
        return name or self.subject.text, version


def compare(
    competitors: Sequence[Competitor],
    server: ServerSpec,
    *,
    budget_s: float,
    jobs: int,
    version: str,
    listen: Listener,
) -> Iterator[tuple[Compared, str]]:
    """Sweep each queue by the same programs and faults.

    A queue that can't be judged gets a row that says why.

    Args:
        budget_s: for each queue.
        version: of midpipe.
        listen: receives the events of every run.

    Yields:
        What was found of each queue, and the name of the server.

    Raises:
        ServerError: the server fails.
    """
    for competitor in competitors:
        row = _described(competitor)
        try:
            yield _judged(
                competitor,
                row,
                server,
                budget_s=budget_s,
                jobs=jobs,
                version=version,
                listen=listen,
            )
        except SubjectError as error:
            yield replace(row, reason=str(error)), ""


def _described(competitor: Competitor) -> Compared:
    """Return the row of a queue with nothing in it but what it is."""
    release = competitor.release
    name, version = competitor.key
    return Compared(
        name=name,
        version=version,
        documented=release.documented if release else "",
        settings=release.settings_sentence if release else "",
        variant_of=release.variant_of if release else "",
    )


def _judged(
    competitor: Competitor,
    row: Compared,
    server: ServerSpec,
    *,
    budget_s: float,
    jobs: int,
    version: str,
    listen: Listener,
) -> tuple[Compared, str]:
    subject, measured = competitor.subject, Measured()

    def take(event: Event) -> None:
        if isinstance(event, CaseEnded):
            measured.take(event)
        listen(event)

    options = Options(
        subject=subject,
        server=server,
        jobs=jobs,
        parts=("sweep",),
        programs=PROGRAMS,
        time_budget_s=budget_s,
    )
    gate = Gate(options, take)
    gate.run()
    verdict = gate.verdict(version, "midpipe compare", "")
    found = replace(
        row,
        promises=", ".join(
            f"{promise.promise} {promise.value}"
            for promise in verdict.promises
            if promise.source == Source.DECLARED
        ),
        cases=sum(part.cases for part in verdict.parts),
        left_out="; ".join(part.left_out for part in verdict.parts if part.left_out),
        findings=tuple(shown(finding, subject.options) for finding in verdict.findings),
        checked=checked_in(verdict),
        unchecked=unchecked_in(verdict),
        calls=measured.calls(),
        recovered_after_s=measured.recovered_after_s,
        # On a stepped clock, waiting takes no time, which would flatter a queue that polls.
        rate=rate_of(subject, replace(server, clock=WALL)),
    )
    return found, verdict.server
