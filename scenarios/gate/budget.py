"""The time budget of a run, and the share of it that each part and each task gets. Knows no part and no worker.

Parts run one after the other, in passes. Each gets a window: its share of the time that is left, so that what one part
does not use goes to those after it. The first pass is short, so that what each part runs first, because it finds the
most, does not wait for the rest of the parts before it. A part that has to start processes gets no window that is too
short for that; in the next pass it comes before the others, and gets a longer one than its share.

Within a window the tasks get equal slices, or those that come first get longer ones: a machine that is too busy for a
few cases of every program still judges the simplest programs. Time is kept back for the stories of the violations found
so far.

A busy machine takes longer to start a process and to run a case. How busy it is shows in how long the subject took to
start.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

FIRST_PASS_SHARE = 0.4
"""How much of the time that is left the first pass through all parts takes."""
ROOM_FOR_STARTS = 2.0
"""A part whose share is too short for its starts gets so many times what they take, in the last pass."""
MAX_STARTING_SHARE = 0.35
"""The most of the time that is left that such a part gets."""
STORY_S = 0.5
"""Time kept back for the story of one finding, shrinking included."""
STORY_STARTS = 0.2
"""The same on a busy machine, in starts of the subject."""
MAX_STORIES_SHARE = 0.25
"""The most of the budget that is kept back for stories."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a part needs of the budget.

    Args:
        weight: relative to the other parts.
        starts: how many starts of the subject its window must have room for.
    """

    weight: int
    starts: int = 0


SHARES = {
    "sweep": Share(4),
    "interleave": Share(4),
    "fleet": Share(1, starts=2),
    "durability": Share(1, starts=2),
    "fuzz": Share(1, starts=1),
    "selfcheck": Share(5),
    "review": Share(1),
}


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a part may use.

    Args:
        end_s: on the monotonic clock; infinite without a budget.
        jobs: number of workers.
    """

    end_s: float = math.inf
    jobs: int = 1
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    @property
    def is_over(self) -> bool:
        """Whether no task may start any more."""
        return self.clock() >= self.end_s

    def slice_end_s(self, tasks: int, least_s: float, least_share: float = 0.0) -> float:
        """Return when a task that starts now has to stop, on the monotonic clock.

        Args:
            tasks: number of tasks that share the rest of the window, this one included.
            least_s: the shortest slice, in seconds.
            least_share: the shortest slice, as a share of the rest of the window.
        """
        if math.isinf(self.end_s):
            return math.inf
        now_s = self.clock()
        left_s = self.end_s - now_s
        slice_s = max(least_s, left_s * least_share, left_s * self.jobs / max(1, tasks))
        return min(self.end_s, now_s + slice_s)


class Budget:
    """The time budget of a run.

    Args:
        seconds: None sets no limit.
        jobs: number of workers.
        clock: monotonic seconds.

    Attributes:
        end_s: when the time is up, on that clock; infinite without a limit.
    """

    def __init__(
        self, seconds: float | None, jobs: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._jobs = jobs
        self._clock = clock
        self._began_s = clock()
        self._start_s = 0.0
        self.end_s = math.inf if seconds is None else clock() + seconds

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.seconds is not None

    def note_start(self) -> None:
        """Note that the subject has started, and how long that took since the budget began."""
        self._start_s = self._clock() - self._began_s

    def window(
        self,
        part: str,
        following: Sequence[str],
        groups: int,
        *,
        is_alone: bool = False,
        pass_end_s: float = math.inf,
    ) -> Window | None:
        """Return the window of a part that starts now; None if it is too short for the part.

        Args:
            following: the parts after it, which share the rest of the time.
            groups: number of findings so far, whose stories need time.
            is_alone: no other part could use the time, so that the window may be short.
            pass_end_s: when the pass through the parts is to end; the rest of the budget is for later passes.
        """
        if self.seconds is None:
            return Window(self.end_s, self._jobs, self._clock)
        now_s = self._clock()
        left_s = min(pass_end_s, self.end_s - self._stories_s(groups)) - now_s
        weights = sum(SHARES[name].weight for name in (part, *following))
        window_s = left_s * SHARES[part].weight / weights
        starts_s = 0.0 if is_alone else SHARES[part].starts * self._start_s
        if window_s <= starts_s:
            window_s = ROOM_FOR_STARTS * starts_s
            if math.isfinite(pass_end_s) or not 0.0 < window_s <= MAX_STARTING_SHARE * left_s:
                return None
        return Window(now_s + window_s, self._jobs, self._clock)

    def first_pass_end_s(self) -> float:
        """Return when a first pass that starts now is to end, on the monotonic clock; infinite without a limit."""
        now_s = self._clock()
        return now_s + FIRST_PASS_SHARE * (self.end_s - now_s)

    def stories_window(self, following: Sequence[str]) -> Window:
        """Return the window of the stories: all the time that is left, or its share if parts follow."""
        if self.seconds is None or not following:
            return Window(self.end_s, self._jobs, self._clock)
        end_s = self._clock() + MAX_STORIES_SHARE * self.seconds
        return Window(min(self.end_s, end_s), self._jobs, self._clock)

    def _stories_s(self, groups: int) -> float:
        assert self.seconds is not None
        story_s = max(STORY_S, STORY_STARTS * self._start_s)
        return min(MAX_STORIES_SHARE * self.seconds, groups * story_s / self._jobs)
