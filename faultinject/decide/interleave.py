"""Every order of several clients' events, within bounds: stateless model checking. A scheduler.

The first run lets each client go on as long as it can. Each run then branches wherever another client could have gone
first, and where a fault could have happened. A *preemption* lets another client go although the last one could have
gone on. Runs without faults come first, those with the fewest preemptions before the others: most bugs of concurrent
programs need one or two (Musuvathi, Qadeer, "Iterative Context Bounding", 2007). Runs with faults follow in the
``rounds`` of a sweep, which puts what finds the most bugs first; in each round those with one preemption come first,
because without one the clients run one after the other, as in a sweep. An exploration can be stopped between two runs.

Orders that cannot differ are run once, by sleep sets (Godefroid, "Partial-Order Methods for the Verification of
Concurrent Systems", 1996): after an event has been tried at a point, it sleeps in the branches of the events that
commute with it, until an event happens that does not. ``pruning`` says which events commute; an event with unknown keys
commutes only with reads, and only if it is a read. Two events also must not be swapped if callers can see their order:
an invariant may use which calls had ended when another began, and the state when a call ended. Whether an event ended a
call is known at the next point, so the sleeping events whose order has become visible are woken there.

Time that passes (the fault ``elapse``) is one more event, possible at any point and as often as faults are: it commutes
with nothing. So it is tried at every point that is reached, also where all other events sleep, and nothing sleeps
afterwards but what was tried after the same time had passed at the same point.

Of the remaining orders, those are pruned whose outcomes are known from other runs: see ``outcome_prediction``.

There are no decisions inside MULTI … EXEC: the block goes as a whole, with its EXEC. The sweep places faults inside.

With a bound on preemptions there are no sleep sets, because the order that represents a pruned one may be beyond the
bound (Coons, Musuvathi, McKinley, "Bounded Partial-Order Reduction", 2013). Then only outcome prediction prunes.

Blind to, without a bound: which of two clients read its own clock first, if the replies before that commuted.
``prune=False`` runs every order, and a test compares the two.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from itertools import count

from midpipe.faultinject.decide.decider import Planner
from midpipe.faultinject.decide.frontier import NOTHING, Branch, Frontier, Tried
from midpipe.faultinject.decide.outcome_prediction import OutcomePrediction
from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.rounds import place_in_round
from midpipe.faultinject.decide.schedule import Schedule, fault_label, place_of, planned
from midpipe.faultinject.decide.scheduler import default_choice
from midpipe.faultinject.faults import Placeable, lets_time_pass
from midpipe.faultinject.vocabulary import Decision, FaultRef, Point, RunEnd, WireEvent

COMMUTES = "commutes"
PREDICTED = "predicted"
TOO_MANY_PREEMPTIONS = "preemptions"


@dataclass(slots=True, kw_only=True)
class _Visited:
    """A point of the current run.

    Args:
        choices: the events that waited.
        move: the decision that was taken.
        last: the client whose event went before.
        sleeping: the events that slept.
        is_new: whether no run was at this point before, so that time may pass here.
        is_free: whether the move was not prescribed by the branch, so that new branches begin here.
        ends_call: whether the move ended a call.
        calls_again: whether its client made another call after that.
    """

    choices: tuple[WireEvent, ...]
    move: Decision
    last: str | None
    sleeping: tuple[Tried, ...]
    is_new: bool
    is_free: bool
    ends_call: bool = True
    calls_again: bool = False

    @property
    def tried(self) -> Tried:
        return Tried(self.move.event, self.ends_call, self.calls_again)


class Interleave(Planner):
    """Plans and decides the orders of one program. The ledger has a row per fault; its space is the number of orders.

    Args:
        max_preemptions: per run; None is no bound.
        max_faults: per run.
        faults: returns the faults that can be placed at an event.
        prune: leave out orders that cannot differ.
        independence: decides which events commute.
        frontier: where an exploration within the same bounds was stopped; this one continues it.
    """

    def __init__(
        self,
        max_preemptions: int | None = 2,
        max_faults: int = 0,
        faults: Placeable = lambda event: (),
        *,
        prune: bool = True,
        independence: Independence | None = None,
        frontier: Frontier | None = None,
    ) -> None:
        super().__init__(frontier.ledger if frontier else None)
        self._max_preemptions = max_preemptions
        self._max_faults = max_faults
        self._faults = faults
        self._prune = prune
        self._sleeps = prune and max_preemptions is None
        self.independence = independence or Independence()
        self._outcome_prediction = OutcomePrediction(
            self.independence, frontier.learned if frontier else NOTHING
        )
        self._numbers = count()
        self._waiting: list[tuple[_Place, int, Branch]] = []
        self._branch = Branch((), (), 0, 0)
        self._visited: list[_Visited] = []
        self._sleeping: tuple[Tried, ...] = ()
        self._is_redundant = False
        self._is_running = False
        if frontier is None:
            self._add(self._branch)
        else:
            for branch in frontier.branches:
                self._push(branch)

    @property
    def current(self) -> Schedule:
        """The moves of the current run up to the one that makes it differ from all others."""
        return _schedule(self._branch.moves)

    @property
    def repeated(self) -> tuple[WireEvent, ...]:
        return tuple(move.event for move in self._branch.moves)

    def begin(self) -> bool:
        while self._waiting:
            self._branch = heapq.heappop(self._waiting)[-1]
            self.restart()
            if not (self._prune and self._outcome_prediction.predicts_nothing_new(self.decide)):
                self._is_running = True
                self.restart()
                return True
            self.ledger.left_out(self.label, PREDICTED, self.place)
            self._branch_off()
        return False

    @property
    def has_more(self) -> bool:
        """Whether a run is planned that has not begun; it may still be pruned by its predicted outcomes."""
        return bool(self._waiting)

    @property
    def next_round(self) -> int | None:
        """The round of the next planned run: 0 without faults, then those of a sweep; None if none is planned."""
        return self._waiting[0][0][0] if self._waiting else None

    def frontier(self) -> Frontier:
        """Return where the exploration stands; a run that has not ended is to be made again."""
        running = (self._branch,) if self._is_running else ()
        known = self.independence
        return Frontier(
            branches=(*running, *(waiting[-1] for waiting in sorted(self._waiting))),
            ledger=self.ledger.copy(),
            untrusted_scripts=tuple(sorted(known.untrusted_scripts)),
            trusted_scripts=tuple(sorted(known.trusted_scripts)),
            unpredictable_scripts=tuple(sorted(known.unpredictable_scripts)),
            learned=self._outcome_prediction.learned(),
            next_round=self.next_round or 0,
        )

    def restart(self) -> None:
        self._visited = []
        self._sleeping = ()
        self._is_redundant = False

    def decide(self, point: Point) -> Decision:
        if point.choices[0].position.inside:
            # The server queues it at once, whatever the other clients do: there is no order to decide.
            return Decision(point.choices[0])
        if self._visited:
            self._note_what_followed(self._visited[-1], point)
        number = len(self._visited)
        moves = self._branch.moves
        is_new = number >= len(moves) and not self._is_redundant
        if number < len(moves):
            move = _repeated_move(moves[number], point)
            self._sleeping = self._branch.sleeping if number == len(moves) - 1 else ()
        else:
            awake = tuple(e for e in point.choices if not _is_among(e, self._sleeping))
            # If all sleep, the rest has been run in another order: the run continues, but nothing branches off.
            self._is_redundant = self._is_redundant or not awake
            move = Decision(default_choice(Point(awake or point.choices, point.last)))
        is_free = is_new and not self._is_redundant
        visited = _Visited(
            choices=point.choices,
            move=move,
            last=point.last,
            sleeping=self._sleeping,
            is_new=is_new,
            is_free=is_free,
        )
        self._visited.append(visited)
        if is_free:
            self._sleeping = self._still_asleep(self._sleeping, move.event)
        return move

    def end(self, run: RunEnd) -> None:
        self._is_running = False
        if run.valid:
            if self._prune:
                self._outcome_prediction.learn(
                    [visited.choices for visited in self._visited], run.observed()
                )
            self._branch_off()

    def _note_what_followed(self, visited: _Visited, point: Point) -> None:
        """Note whether the last move ended a call, and wake the events whose order has become visible by it."""
        made = visited.move.event
        following = [e for e in point.choices if e.position.client == made.position.client]
        visited.calls_again = bool(following)
        visited.ends_call = not following or following[0].index.call != made.index.call
        self._sleeping = tuple(
            other for other in self._sleeping if not other.is_order_visible(visited.tried)
        )

    def _branch_off(self) -> None:
        """Plan every other move that was possible in the run that was made, or predicted."""
        taken: list[Decision] = []
        preemptions = 0
        for visited in self._visited:
            if visited.is_free:
                self._branch_from(visited, tuple(taken), preemptions)
            if visited.is_new:
                self._let_time_pass(visited, tuple(taken), preemptions)
            preemptions += _preempts(visited.move.event, visited)
            taken.append(visited.move)

    def _branch_from(
        self, visited: _Visited, taken: tuple[Decision, ...], preemptions: int
    ) -> None:
        """Plan every other move that was possible at a point: another client's event, or a fault at an event."""
        tried = [*visited.sleeping]
        first = visited.move.event
        others = [event for event in visited.choices if event.position != first.position]
        self._plan_faults(visited, first, taken, preemptions, tuple(tried))
        # With a fault the call may end differently.
        may_fail = self._branch.faults < self._max_faults
        tried.append(Tried(first) if may_fail else visited.tried)
        for event in sorted(others, key=lambda other: other.position):
            total = preemptions + _preempts(event, visited)
            if self._max_preemptions is not None and total > self._max_preemptions:
                self._leave_out(taken, TOO_MANY_PREEMPTIONS)
            elif _is_among(event, visited.sleeping):
                self._leave_out(taken, COMMUTES)
            else:
                sleeping = self._still_asleep(tuple(tried), event) if self._sleeps else ()
                self._add(Branch((*taken, Decision(event)), sleeping, self._branch.faults, total))
                self._plan_faults(visited, event, taken, preemptions, ())
            tried.append(Tried(event))

    def _plan_faults(
        self,
        visited: _Visited,
        event: WireEvent,
        taken: tuple[Decision, ...],
        preemptions: int,
        sleeping: tuple[Tried, ...],
    ) -> None:
        if self._branch.faults >= self._max_faults:
            return
        total = preemptions + _preempts(event, visited)
        kept = (
            tuple(o for o in sleeping if self.independence.may_commute(o.event, event))
            if self._sleeps
            else ()
        )
        for fault in self._faults(event):
            if not lets_time_pass(fault):
                moves = (*taken, Decision(event, fault))
                self._add(Branch(moves, kept, self._branch.faults + 1, total))

    def _let_time_pass(
        self, visited: _Visited, taken: tuple[Decision, ...], preemptions: int
    ) -> None:
        """Plan to let time pass at a point, and then each event that waits there."""
        if self._branch.faults >= self._max_faults:
            return
        tried: defaultdict[FaultRef, list[Tried]] = defaultdict(list)
        for event in sorted(visited.choices, key=lambda other: other.position):
            total = preemptions + _preempts(event, visited)
            if self._max_preemptions is not None and total > self._max_preemptions:
                continue
            for fault in filter(lets_time_pass, self._faults(event)):
                asleep = self._still_asleep(tuple(tried[fault]), event) if self._sleeps else ()
                moves = (*taken, Decision(event, fault))
                self._add(Branch(moves, asleep, self._branch.faults + 1, total))
                tried[fault].append(Tried(event))

    def _still_asleep(self, sleeping: tuple[Tried, ...], event: WireEvent) -> tuple[Tried, ...]:
        """Return the events that still sleep after another event has happened."""
        return tuple(
            other
            for other in sleeping
            if other.event.position.client != event.position.client
            and self.independence.may_commute(other.event, event)
        )

    def _add(self, branch: Branch) -> None:
        case = _schedule(branch.moves)
        self.ledger.planned(fault_label(case), place_of(case))
        self._push(branch)

    def _leave_out(self, moves: tuple[Decision, ...], rule: str) -> None:
        case = _schedule(moves)
        self.ledger.pruned(fault_label(case), rule, place_of(case))

    def _push(self, branch: Branch) -> None:
        heapq.heappush(self._waiting, (_place_of(branch), next(self._numbers), branch))


_Place = tuple[int, bool, int]
"""By what runs are sorted: their round, whether a command with a fault is answered or does not run, preemptions."""


def _place_of(branch: Branch) -> _Place:
    if not branch.faults:
        return 0, False, branch.preemptions
    number, is_answered = place_in_round(_schedule(branch.moves))
    # With one preemption come before without: 1, 0, 2, 3, …
    return 1 + number, is_answered, {0: 1, 1: 0}.get(branch.preemptions, branch.preemptions)


def _schedule(moves: tuple[Decision, ...]) -> Schedule:
    return Schedule(tuple(planned(move.event, move.fault) for move in moves))


def _repeated_move(move: Decision, point: Point) -> Decision:
    """Return the same move; the default choice if its event is not waiting, which ``DeterminismCheck`` reports."""
    for event in point.choices:
        if (event.position, event.index) == (move.event.position, move.event.index):
            return Decision(event, move.fault)
    return Decision(default_choice(point))


def _preempts(event: WireEvent, visited: _Visited) -> int:
    """Return 1 if the event goes although the last client could have gone on, else 0."""
    client = event.position.client
    goes_on = any(choice.position.client == visited.last for choice in visited.choices)
    return int(goes_on and client != visited.last)


def _is_among(event: WireEvent, tried: tuple[Tried, ...]) -> bool:
    return any(other.event.position == event.position for other in tried)
