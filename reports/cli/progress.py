"""Shows progress on standard error: a live line on a terminal, plain lines elsewhere. Listens to the gate's events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from midpipe.scenarios.gate.options import EXPLORING, Event, LossAllowed, PartBegan
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.progress import ProgressRow

LINE_EVERY_S = 30.0
"""Without a terminal, a line so often shows in a log that a long part is still running."""

_MAKES_CASES = EXPLORING - {"durability"}
"""The parts that do nothing else than run cases: without a case they have done nothing."""


class ProgressSink:
    """Shows what the gate is doing. A context manager.

    Args:
        console: where to print; standard error by default.
        clock: monotonic seconds.
        stages: the parts that are planned, in order; a part that is not among them has no number, and those that were
            skipped when it begins are not counted.
        ends_s: when the time budget ends, on the same clock; None is no budget.
    """

    def __init__(
        self,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        stages: Sequence[str] = (),
        ends_s: float | None = None,
    ) -> None:
        self._stages = tuple(stages)
        self._ends_s = ends_s
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._printed_s = clock()
        self._live = self._console.is_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            # The only column that may be wrapped, so that a long text leaves the others whole.
            TextColumn("{task.fields[so_far]}", table_column=Column()),
            # Both do not fit 80 columns.
            *(() if ends_s is not None else (TimeElapsedColumn(),)),
            console=self._console,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._numbers: dict[str, str] = {}
        # The part that is run, or those that go on, one after the other, in the time that is left.
        self._parts: tuple[str, ...] = ()
        self._goes_on = False
        self._cases = 0
        self._violated = 0
        self._lost = 0
        self._unconfirmed = 0
        self._combinations = 0
        self._planned = 0
        self._ended = 0

    def __enter__(self) -> ProgressSink:
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_part("done" if kind is None else "stopped")
        if self._live:  # a progress that was never started ends a plain log with an empty line
            self._progress.stop()

    def listen(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, PartBegan):
            self._begin_part(event)
        elif isinstance(event, CaseEnded | LossAllowed):
            self._cases += 1
            self._lost += isinstance(event, LossAllowed)
            self._violated += isinstance(event, CaseEnded) and bool(event.violations)
            self._unconfirmed += isinstance(event, CaseEnded) and bool(event.unconfirmed)
            if self._parts and self._cases % 10 == 0:
                self._progress.update(self._tasks[self._parts[-1]], so_far=self._so_far)
            if not self._live and self._clock() > self._printed_s + LINE_EVERY_S:
                self._printed_s = self._clock()
                self._print("is running")
        elif isinstance(event, ProgressRow):
            self._combinations = event.combinations
        elif self._parts:
            self._ended += 1
            # A program that is continued in a later round is one task more than was planned.
            self._planned = max(self._planned, self._ended)
            self._progress.update(
                self._tasks[self._parts[-1]],
                completed=self._ended,
                total=self._planned,
                so_far=self._so_far,
            )

    def _begin_part(self, event: PartBegan) -> None:
        """Show that a part begins, or that it goes on after others in the time that is left."""
        goes_on = event.part in self._tasks
        if goes_on and self._goes_on:
            self._parts = tuple(dict.fromkeys((*self._parts, event.part)))
        else:
            self._end_part()
            self._parts, self._goes_on = (event.part,), goes_on
            self._cases, self._violated, self._lost, self._unconfirmed = 0, 0, 0, 0
            self._combinations = 0
            self._printed_s = self._clock()
        self._planned, self._ended = event.tasks, 0
        if not goes_on and event.part in self._stages:
            number = len(self._numbers) + 1
            following = self._stages[self._stages.index(event.part) + 1 :]
            left = sum(part not in self._tasks for part in following)
            self._numbers[event.part] = f" ({number} of {number + left})"
        if not goes_on:
            self._tasks[event.part] = self._progress.add_task(
                self._stage, total=event.tasks, so_far=""
            )

    def _end_part(self, state: str = "done") -> None:
        if self._parts and not self._live:
            self._print(state)
        self._parts = ()

    @property
    def _stage(self) -> str:
        if self._goes_on:
            return f"more of {', '.join(self._parts)}"
        (part,) = self._parts
        return f"{part}{self._numbers.get(part, '')}"

    @property
    def _so_far(self) -> str:
        """Cases, violations, losses that count against nothing, and the time that is left, as far as there are any."""
        noun = "case" if self._cases == 1 else "cases"
        cases = f"{self._cases} {noun}, {self._violated} with a violation" if self._cases else ""
        if not cases and _MAKES_CASES.issuperset(self._parts):
            cases = "0 cases"
        if self._unconfirmed:
            cases += f", {self._unconfirmed} with an unconfirmed one"
        if self._combinations:
            cases += f", {self._combinations:,} combinations covered"
        if self._lost:
            cases += f", {self._lost} with a loss that the server's persistence allows"
        left_s = max(0.0, self._ends_s - self._clock()) if self._ends_s is not None else None
        left = f"{left_s:.0f} s left" if left_s is not None else ""
        return ", ".join(filter(None, (cases, left)))

    def _print(self, state: str) -> None:
        so_far = f": {self._so_far}" if self._so_far else ""
        self._console.print(f"midpipe: {self._stage} {state}{so_far}", highlight=False)
