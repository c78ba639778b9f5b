"""Runs a case again for its story, after shrinking it if that is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.case.story import story_of
from midpipe.scenarios.explore.fault_selection import forgets_scripts
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.smallest import smallest
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import Message, StoryDone
from midpipe.scenarios.model.record import MORE_PATIENCE, NEEDED, Replayed, first_difference
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.written import PREFIX

SHRINKS_FOR_S = 10.0


@dataclass(frozen=True, slots=True)
class StoryTask:
    """Run one case again and return its story.

    Args:
        shrinks_for: an invariant that the case violates: the story is that of the smallest case that violates it, from
            a run in which it did. Empty takes the case as it is.
        shrinks_s: no further smaller case is tried after so many seconds.
        deadline_s: on the monotonic clock; the case is not run once more after it.
        runs: how often the case is run in the end; more than once shows whether it does the same each time.
    """

    subject: SubjectSpec
    replay: str
    _: KW_ONLY
    latency_bound_ms: float
    shrinks_for: str = ""
    shrinks_s: float = SHRINKS_FOR_S
    deadline_s: float = math.inf
    runs: int = 1

    def run(self, worker: Worker) -> Iterator[Message]:
        text = self.replay
        if self.shrinks_for:
            text = smallest(text, self.shrinks_for, _Replays(self, worker), self.shrinks_s)
        runs = self._runs(worker, text)
        if text != self.replay and sum(map(self._fails, runs)) < min(NEEDED, len(runs)):
            # Its smaller cases failed by chance; the case itself is confirmed.
            runs = self._runs(worker, self.replay)
        first, shown = runs[0], next(filter(self._fails, reversed(runs)), runs[-1])
        differences = (
            first_difference(first.record.shape(), run.record.shape()) for run in runs[1:]
        )
        record = shown.record
        yield StoryDone(
            story=story_of(record, shown.replay, shown.sources),
            violated_invariants=tuple(violation.invariant for violation in record.violations),
            unplaced=shown.unplaced,
            invalid_reason=record.invalid_reason,
            shape=record.shape(),
            nondeterministic=next(filter(None, differences), ""),
        )

    def _runs(self, worker: Worker, text: str) -> list[Replayed]:
        """Run the case as often as is asked, with more patience than when it was found."""
        return [
            replay_case(
                worker,
                self.subject,
                text,
                self.latency_bound_ms,
                warms_up=not number,
                traces_sources=True,
                patience=MORE_PATIENCE,
            )
            for number in range(self.runs)
            if not number or not worker.is_over(self.deadline_s)
        ]

    def _fails(self, run: Replayed) -> bool:
        return run.violates(self.shrinks_for)


class _Replays:
    """Replays one case after the other, and warms up only where the server may not know a script."""

    def __init__(self, task: StoryTask, worker: Worker) -> None:
        self._task = task
        self._worker = worker
        self._warm: set[str] = set()

    def __call__(self, text: str) -> Replayed:
        program, schedule = parse_replay_string(text, CATALOGUE)
        # A written program is shrunk by leaving calls out, so it needs no script that the first one did not.
        is_warm = program in self._warm or (program.startswith(PREFIX) and bool(self._warm))
        forgets = any(forgets_scripts(fault) for _, fault in schedule.placed)
        replayed = replay_case(
            self._worker,
            self._task.subject,
            text,
            self._task.latency_bound_ms,
            warms_up=forgets or not is_warm,
        )
        self._warm.add(program)
        return replayed
