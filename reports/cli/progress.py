"""Shows progress on standard error: a live line on a terminal, plain lines elsewhere. Listens to the gate's events."""

from __future__ import annotations

import time
from collections.abc import Callable
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

from midpipe.scenarios.gate.options import Event, PartBegan
from midpipe.scenarios.model.messages import CaseEnded

LINE_EVERY_S = 30.0
"""Without a terminal, a line so often shows in a log that a long part is still running."""


class ProgressSink:
    """Shows what the gate is doing. A context manager.

    Args:
        console: where to print; standard error by default.
        clock: monotonic seconds.
    """

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._printed_s = clock()
        self._live = self._console.is_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[cases]} cases · {task.fields[what]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._task: TaskID | None = None
        self._part = ""
        self._cases = 0
        self._violated = 0

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
        self._end_part()
        if self._live:  # a progress that was never started ends a plain log with an empty line
            self._progress.stop()

    def listen(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, PartBegan):
            self._end_part()
            self._part, self._cases, self._violated = event.part, 0, 0
            self._printed_s = self._clock()
            self._task = self._progress.add_task(event.part, total=event.tasks, cases=0, what="")
        elif isinstance(event, CaseEnded):
            self._cases += 1
            self._violated += bool(event.violations)
            if self._task is not None and self._cases % 10 == 0:
                self._progress.update(self._task, cases=self._cases)
            if not self._live and self._clock() > self._printed_s + LINE_EVERY_S:
                self._printed_s = self._clock()
                self._print("is running")
        elif self._task is not None:
            self._progress.update(self._task, advance=1, cases=self._cases, what=event.what[:28])

    def _end_part(self) -> None:
        if self._part and not self._live:
            self._print("done")
        self._part = ""

    def _print(self, state: str) -> None:
        cases = f": {self._cases} cases, {self._violated} with a violation" if self._cases else ""
        self._console.print(f"midpipe: {self._part} {state}{cases}", highlight=False)
