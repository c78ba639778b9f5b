"""Every order of several clients' events, within bounds: stateless model checking. A scheduler.

The first run lets each client go on as long as it can. Each run then branches wherever another client could have gone
first, and where a fault could have happened. Runs come shortest first, by (faults, preemptions), so that the first
find is nearly minimal. A *preemption* takes the wire from a client that could have gone on.

Orders that can't differ are run once, by sleep sets (Godefroid, "Partial-Order Methods for the Verification of
Concurrent Systems", 1996): once an event has been tried at a point, a sibling that commutes with it need not try it
again until something that does not commute has happened. ``pruning`` says what commutes; an event whose keys can't be
told commutes only with what reads, if it reads itself. Nor may two be swapped if it shows in the calls: a claim may
weigh which had ended when another one began, and the state at an end. That an event ended a call is seen at the next
point, so what slept through it is woken then.

Of what is left, an order is not run whose course is known from those that were, and that would show nothing new:
``foresight`` says how that can be told.

Inside MULTI … EXEC nothing is decided: the block goes as one, with EXEC; the sweep places faults inside.

Within a bound of preemptions nothing sleeps: what an order is to be represented by may lie beyond the bound (Coons,
Musuvathi, McKinley, "Bounded Partial-Order Reduction", 2013). There orders are foreseen only.

Blind to, without a bound: which of two clients read its own clock first, if the answers after which they did commute.
``prune=False`` runs every order, and a test compares.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

from midpipe.faultinject.decide.ledger import Ledger
from midpipe.faultinject.decide.outcome_prediction import NOTHING, Learned, OutcomePrediction
from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.schedule import PlannedStep, Schedule, fault_label, planned
from midpipe.faultinject.decide.scheduler import default_choice
from midpipe.faultinject.faults import Placeable
from midpipe.faultinject.vocabulary import Decision, FaultRef, Point, Position, RunEnd, WireEvent

COMMUTES = "commutes"
PREDICTED = "predicted"
TOO_MANY_PREEMPTIONS = "preemptions"


@dataclass(frozen=True, slots=True)
class Move:
    """An event by its place, with the fault that happens to it."""

    event: WireEvent
    fault: FaultRef | None = None

    @property
    def place(self) -> tuple[Position, FaultRef | None]:
        return self.event.position, self.fault

    def planned(self) -> PlannedStep:
        if self.fault is not None:
            return planned(self.event, self.fault)
        return PlannedStep(self.event.position)


@dataclass(frozen=True, slots=True)
class Tried:
    """An event that was tried at a point; as long as nothing is known of it, the last of a call before another one.

    Args:
        ends: a call ends with it.
        goes_on: its client makes another call then.
    """

    event: WireEvent
    ends: bool = True
    goes_on: bool = True

    def is_told_from(self, made: Tried) -> bool:
        """Whether it shows in the calls that this comes after an event that was made, and commutes with it.

        It does if a call began after the one and before the other, and in the state at the end of this one's call. The
        state at the end of the other's call has been seen by then.
        """
        return self.ends and (made.event.is_write or (made.ends and (self.goes_on or made.goes_on)))


@dataclass(frozen=True, slots=True)
class Branch:
    """A run to be made: the moves that lead to it, and what sleeps after them."""

    moves: tuple[Move, ...]
    sleeping: tuple[Tried, ...]
    faults: int
    preemptions: int


@dataclass(frozen=True, slots=True)
class Frontier:
    """Where an exploration stands between two runs: what is to be made yet, and what was counted."""

    branches: tuple[Branch, ...]
    ledger: Ledger
    untrusted_scripts: tuple[str, ...] = ()
    trusted_scripts: tuple[str, ...] = ()
    unpredictable_scripts: tuple[str, ...] = ()
    learned: Learned = NOTHING


@dataclass(slots=True)
class _Seen:
    """A point of the run under way: the choices, the move taken, and who went before."""

    choices: tuple[WireEvent, ...]
    move: Move
    last: str | None
    sleeping: tuple[Tried, ...]
    is_free: bool
    ends: bool = True
    goes_on: bool = False

    @property
    def tried(self) -> Tried:
        return Tried(self.move.event, self.ends, self.goes_on)


class Interleave:
    """Plans and decides the orders of one program.

    Args:
        max_preemptions: per run; None is no bound.
        max_faults: per run.
        faults: which faults can be placed at an event.
        prune: leave out orders that can't differ.
        ledger: takes the counts; one row per fault, orders being the space.
        independence: which events commute.
        frontier: where another exploration, within the same bounds, was stopped; this one goes on from there.

    Attributes:
        diverged: where the run under way parted from the one that it was to repeat; empty if it did not.
    """

    def __init__(
        self,
        max_preemptions: int | None = 2,
        max_faults: int = 0,
        faults: Placeable = lambda event: (),
        *,
        prune: bool = True,
        ledger: Ledger | None = None,
        independence: Independence | None = None,
        frontier: Frontier | None = None,
    ) -> None:
        self._max_preemptions = max_preemptions
        self._max_faults = max_faults
        self._faults = faults
        self._prune = prune
        self._sleeps = prune and max_preemptions is None
        self.ledger = ledger or Ledger()
        self.independence = independence or Independence()
        self._outcome_prediction = OutcomePrediction(
            self.independence, frontier.learned if frontier else NOTHING
        )
        self.diverged = ""
        self._numbers = count()
        self._waiting: list[tuple[int, int, int, Branch]] = []
        self._branch = Branch((), (), 0, 0)
        self._seen: list[_Seen] = []
        self._sleeping: tuple[Tried, ...] = ()
        self._is_redundant = False
        self._is_under_way = False
        if frontier is None:
            self._add(self._branch)
        else:
            self.ledger = frontier.ledger.copy()
            for branch in frontier.branches:
                self._push(branch)

    @property
    def current(self) -> Schedule:
        """The schedule of the run that began last: its moves up to the one that makes it differ."""
        return Schedule(tuple(move.planned() for move in self._branch.moves))

    @property
    def planned_faults(self) -> tuple[tuple[str, FaultRef], ...]:
        """Every fault that may happen in the run, as pairs of client id and fault."""
        return self.current.placed

    def begin(self) -> bool:
        while self._waiting:
            self._branch = heapq.heappop(self._waiting)[-1]
            self.restart()
            if not (self._prune and self._outcome_prediction.predicts_nothing_new(self.decide)):
                self._is_under_way = True
                self.restart()
                return True
            self.ledger.left_out(fault_label(self.current), PREDICTED)
            self._branch_off()
        return False

    @property
    def has_more(self) -> bool:
        """Whether a run is planned that has not begun; it may still turn out to be foreseen."""
        return bool(self._waiting)

    def frontier(self) -> Frontier:
        """Return where the exploration stands; the run under way, if one is, is to be made again."""
        under_way = (self._branch,) if self._is_under_way else ()
        known = self.independence
        return Frontier(
            (*under_way, *(waiting[-1] for waiting in sorted(self._waiting))),
            self.ledger.copy(),
            tuple(sorted(known.untrusted_scripts)),
            tuple(sorted(known.trusted_scripts)),
            tuple(sorted(known.unpredictable_scripts)),
            self._outcome_prediction.learned(),
        )

    def restart(self) -> None:
        """The same run is made again, from its beginning."""
        self._seen = []
        self._sleeping = ()
        self._is_redundant = False
        self.diverged = ""

    def decide(self, point: Point) -> Decision:
        if point.choices[0].position.inside:
            # Queued by the server at once, whoever else waits: no order to decide about.
            return Decision(point.choices[0])
        if self._seen:
            self._look_back(self._seen[-1], point)
        number = len(self._seen)
        moves = self._branch.moves
        if number < len(moves):
            move = self._again(moves[number], point)
            self._sleeping = self._branch.sleeping if number == len(moves) - 1 else ()
        else:
            awake = tuple(e for e in point.choices if not _is_among(e, self._sleeping))
            # All asleep: whatever comes now has been run in another order. The run goes on, but leads nowhere new.
            self._is_redundant = self._is_redundant or not awake
            move = Move(default_choice(Point(awake or point.choices, point.last)))
        is_free = number >= len(moves) and not self._is_redundant
        seen = _Seen(point.choices, move, point.last, self._sleeping, is_free)
        self._seen.append(seen)
        if seen.is_free:
            self._sleeping = self._after(self._sleeping, move.event)
        return Decision(move.event, move.fault)

    def _look_back(self, seen: _Seen, point: Point) -> None:
        """Note whether a call ended with the last move; wake what callers can tell from it."""
        made = seen.move.event
        following = [e for e in point.choices if e.position.client == made.position.client]
        seen.goes_on = bool(following)
        seen.ends = not following or following[0].index.call != made.index.call
        self._sleeping = tuple(
            other for other in self._sleeping if not other.is_told_from(seen.tried)
        )

    def end(self, run: RunEnd) -> None:
        self._is_under_way = False
        label = fault_label(self.current)
        self.ledger.ended(label, valid=run.valid, violated=bool(run.violated))
        if run.valid:
            if self._prune:
                self._outcome_prediction.learn(
                    [seen.choices for seen in self._seen], run.observed()
                )
            self._branch_off()

    def _branch_off(self) -> None:
        """Plan what else could have been done in the run that was made, or foreseen."""
        taken: list[Move] = []
        preemptions = 0
        for seen in self._seen:
            if seen.is_free:
                self._branch_from(seen, tuple(taken), preemptions)
            preemptions += _preempts(seen.move.event, seen)
            taken.append(seen.move)

    def _again(self, move: Move, point: Point) -> Move:
        for event in point.choices:
            if event.position == move.event.position:
                if event.index == move.event.index:
                    return Move(event, move.fault)
                self._diverge(move, str(event.index))
        self._diverge(move, f"no command of {move.event.position.client} that waits")
        return Move(default_choice(point))

    def _diverge(self, move: Move, instead: str) -> None:
        """The subject does something else than in the run that this one repeats; the case is invalid."""
        self.diverged = (
            self.diverged
            or f"at wire event {move.event.position}, once {move.event.index}, once {instead}"
        )

    def _branch_from(self, seen: _Seen, taken: tuple[Move, ...], preemptions: int) -> None:
        """Plan what else could have been done at a point: another client's event, or a fault at one."""
        tried = [*seen.sleeping]
        first = seen.move.event
        others = [event for event in seen.choices if event.position != first.position]
        self._plan_faults(seen, first, taken, preemptions, tuple(tried))
        # With a fault it may yet end another way.
        may_fail = self._branch.faults < self._max_faults
        tried.append(Tried(first) if may_fail else seen.tried)
        for event in sorted(others, key=lambda other: other.position):
            total = preemptions + _preempts(event, seen)
            if self._max_preemptions is not None and total > self._max_preemptions:
                self.ledger.pruned(self._label(taken), TOO_MANY_PREEMPTIONS)
            elif _is_among(event, seen.sleeping):
                self.ledger.pruned(self._label(taken), COMMUTES)
            else:
                sleeping = self._after(tuple(tried), event) if self._sleeps else ()
                move = Move(event)
                self._add(Branch((*taken, move), sleeping, self._branch.faults, total))
                self._plan_faults(seen, event, taken, preemptions, ())
            tried.append(Tried(event))

    def _plan_faults(
        self,
        seen: _Seen,
        event: WireEvent,
        taken: tuple[Move, ...],
        preemptions: int,
        sleeping: tuple[Tried, ...],
    ) -> None:
        if self._branch.faults >= self._max_faults:
            return
        total = preemptions + _preempts(event, seen)
        kept = (
            tuple(o for o in sleeping if self.independence.may_commute(o.event, event))
            if self._sleeps
            else ()
        )
        for fault in self._faults(event):
            branch = Branch((*taken, Move(event, fault)), kept, self._branch.faults + 1, total)
            self._add(branch)

    def _after(self, sleeping: tuple[Tried, ...], event: WireEvent) -> tuple[Tried, ...]:
        """Return what still sleeps once an event has happened."""
        return tuple(
            other
            for other in sleeping
            if other.event.position.client != event.position.client
            and self.independence.may_commute(other.event, event)
        )

    def _label(self, moves: tuple[Move, ...]) -> str:
        return fault_label(Schedule(tuple(move.planned() for move in moves if move.fault)))

    def _add(self, branch: Branch) -> None:
        self.ledger.planned(self._label(branch.moves))
        self._push(branch)

    def _push(self, branch: Branch) -> None:
        heapq.heappush(
            self._waiting, (branch.faults, branch.preemptions, next(self._numbers), branch)
        )


def _preempts(event: WireEvent, seen: _Seen) -> int:
    """Return 1 if taking the event takes the wire from a client that could have gone on."""
    client = event.position.client
    goes_on = any(choice.position.client == seen.last for choice in seen.choices)
    return int(goes_on and client != seen.last)


def _is_among(event: WireEvent, tried: tuple[Tried, ...]) -> bool:
    return any(other.event.position == event.position for other in tried)
