"""The unfinished part of an exploration of orders, as values that can be stored: its branches, and what was learned."""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.faultinject.decide.ledger import Ledger
from midpipe.faultinject.decide.simulated_run import Effect, NextCommand
from midpipe.faultinject.vocabulary import Decision, WireEvent


@dataclass(frozen=True, slots=True)
class Tried:
    """An event that was tried at a point. By default it ends a call and another call follows, which is the safe guess.

    Args:
        ends_call: whether the event was the last one of a call.
        calls_again: whether its client made another call after that.
    """

    event: WireEvent
    ends_call: bool = True
    calls_again: bool = True

    def is_order_visible(self, earlier: Tried) -> bool:
        """Whether callers can see that this event happened after one that commutes with it.

        They can if a call began between the two events, or by the state at the end of this event's call. The state at
        the end of the other call has been seen by then.
        """
        return self.ends_call and (
            earlier.event.is_write
            or (earlier.ends_call and (self.calls_again or earlier.calls_again))
        )


@dataclass(frozen=True, slots=True)
class Branch:
    """A run to be made.

    Args:
        moves: the decisions with which it begins.
        sleeping: the events that sleep after them.
        faults: the number of faults among the moves.
        preemptions: the number of preemptions among the moves.
    """

    moves: tuple[Decision, ...]
    sleeping: tuple[Tried, ...]
    faults: int
    preemptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What is known about a program's orders.

    Args:
        is_disabled: something unpredictable has occurred, so nothing is predicted any more.
        start: the server's data before the run.
        pending: the first command of each client.
        following: by a client's past, the command that it sends next; None if it has finished.
        effects: by the digest of a command's inputs, its effect; None if it differed between runs.
        outcomes: digests of the outcomes that have occurred.
    """

    is_disabled: bool = False
    start: tuple[tuple[str, str], ...] = ()
    pending: tuple[tuple[str, NextCommand], ...] = ()
    following: tuple[tuple[str, NextCommand | None], ...] = ()
    effects: tuple[tuple[str, Effect | None], ...] = ()
    outcomes: tuple[str, ...] = ()


NOTHING = Learned()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """Where an exploration was stopped: the runs that are still to be made, the counts, and what was learned.

    Args:
        untrusted_scripts, trusted_scripts, unpredictable_scripts: as in ``Independence``.
        learned: the knowledge of ``OutcomePrediction``.
        next_round: the round of the first of these runs.
    """

    branches: tuple[Branch, ...]
    ledger: Ledger
    untrusted_scripts: tuple[str, ...] = ()
    trusted_scripts: tuple[str, ...] = ()
    unpredictable_scripts: tuple[str, ...] = ()
    learned: Learned = NOTHING
    next_round: int = 0
