"""What a flawed queue is, and the kinds of flaws. Values; the registry lists them."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Flaw:
    """A queue with a planted flaw.

    Args:
        name: the name in reports.
        subject: ``module:Class``.
        summary: one sentence.
        caught_by: ids of the invariants that it must violate.
        suite: the programs that show it: ``sweep`` (one client), ``interleave`` (two), ``fleet`` (two versions).
        programs: names of those programs in the suite that must show it; empty means all.
        shown_by: the fault of the clock that shows it; empty if no such fault is needed.
        part: what a program must contain (as in ``has_part``) to show this flaw and no other flaw of the same queue.
    """

    name: str
    subject: str
    summary: str
    caught_by: tuple[str, ...]
    suite: str = "sweep"
    programs: tuple[str, ...] = ()
    part: str = ""
    shown_by: str = ""


def _name(kind: str) -> str:
    words = "".join(
        f"-{client_id.lower()}" if client_id.isupper() else client_id for client_id in kind
    )
    return words.lstrip("-")


def design(name: str, summary: str, *caught_by: str) -> Flaw:
    """Return a flaw of a whole queue, in a module of its own."""
    module = name.replace("-", "_")
    subject = f"midpipe.scenarios.flaws.{module}:SimpleQueue"
    return Flaw(name=name, subject=subject, summary=summary, caught_by=caught_by)


def single(kind: str, summary: str, *caught_by: str, programs: tuple[str, ...] = ()) -> Flaw:
    """Return a flaw that one client shows."""
    subject = f"midpipe.scenarios.flaws.single:{kind}"
    return Flaw(
        name=_name(kind), subject=subject, summary=summary, caught_by=caught_by, programs=programs
    )


def pair(kind: str, summary: str, *caught_by: str) -> Flaw:
    """Return a flaw that two clients show."""
    subject = f"midpipe.scenarios.flaws.pairs:{kind}"
    return Flaw(
        name=_name(kind), subject=subject, summary=summary, caught_by=caught_by, suite="interleave"
    )


def among_others(kind: str, summary: str, caught_by: str, program: str) -> Flaw:
    """Return a flaw of a worker that shows while other jobs wait."""
    return replace(worker(kind, summary, caught_by, program, "others_waiting"), suite="interleave")


def counting(kind: str, summary: str, program: str) -> Flaw:
    """Return a flaw of a queue's counters."""
    return Flaw(
        name=_name(kind),
        subject=f"midpipe.scenarios.flaws.counting:{kind}",
        summary=summary,
        caught_by=("telemetry-is-true",),
        programs=(program,),
    )


def of_the_clock(kind: str, summary: str, caught_by: str, program: str, shown_by: str) -> Flaw:
    """Return a flaw that a fault of the clock shows."""
    return Flaw(
        name=_name(kind),
        subject=f"midpipe.scenarios.flaws.clocks:{kind}",
        summary=summary,
        caught_by=(caught_by,),
        programs=(program,),
        shown_by=shown_by,
    )


def planned(name: str, summary: str, program: str, part: str) -> Flaw:
    """Return a flaw of the review's plan, which two versions side by side show."""
    return Flaw(
        name=name,
        subject="midpipe.scenarios.flaws.as_planned:SimpleQueue",
        summary=summary,
        caught_by=("no-divergence", "status-order"),
        suite="fleet",
        programs=(program,),
        part=part,
    )


def worker(kind: str, summary: str, caught_by: str, program: str, module: str = "workers") -> Flaw:
    """Return a flaw of a queue whose own worker runs the jobs."""
    return Flaw(
        name=_name(kind),
        subject=f"midpipe.scenarios.flaws.{module}:{kind}",
        summary=summary,
        caught_by=(caught_by,),
        programs=(program,),
    )
