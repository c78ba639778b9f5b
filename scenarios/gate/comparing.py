"""Judges several queues by the same programs, faults and budget, so that they can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Listener, Options
from midpipe.scenarios.model.comparison import PROGRAMS, Compared
from midpipe.scenarios.model.history import Phase
from midpipe.scenarios.model.spec import SubjectSpec

_TIMED = "enqueue-then-work:"
_TIMED_RUNS = 3


def compare(
    subjects: Sequence[SubjectSpec],
    server: ServerSpec,
    *,
    budget_s: float,
    jobs: int,
    version: str,
    listen: Listener,
) -> Iterator[Compared]:
    """Sweep each queue by the same programs and faults.

    Args:
        budget_s: for each queue.
        version: of midpipe.
        listen: receives the events of every run.

    Raises:
        MidpipeError: a queue can't be hosted, or the server fails.
    """
    for subject in subjects:
        timings = _timings_ms(subject, server)
        options = Options(
            subject=subject,
            server=server,
            jobs=jobs,
            parts=("sweep",),
            programs=PROGRAMS,
            time_budget_s=budget_s,
        )
        gate = Gate(options, listen)
        gate.run()
        yield Compared(subject, gate.verdict(version, "midpipe compare", ""), timings)


def _timings_ms(subject: SubjectSpec, server: ServerSpec) -> tuple[tuple[str, float], ...]:
    """Return the median duration of each call of a case without faults, after one case that warms up."""
    durations: dict[str, list[float]] = {}
    # On a stepped clock, waiting takes no time, which would flatter a queue that polls.
    worker = Worker(replace(server, clock="wall"))
    try:
        for number in range(1 + _TIMED_RUNS):
            bound_ms = Options().latency_bound_ms
            record = replay_case(worker, subject, _TIMED, bound_ms).record
            for call in record.history if number and record.is_valid else ():
                if call.phase is Phase.PROGRAM:
                    durations.setdefault(call.method, []).append(call.duration_ms)
    finally:
        worker.close()
    return tuple((name, round(median(found), 1)) for name, found in durations.items())
