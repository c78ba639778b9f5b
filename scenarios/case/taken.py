"""Finds the runs of a worker that began when every queued job had been taken already. Pure.

A worker may take several jobs at once, ahead of those that it runs. If the reply with them is lost, all of them are
away until the queue puts them back, and the next run has nothing to run although none of them has run.

Blind to: queues that keep their jobs in no list, such as in a stream or a sorted set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midpipe.scenarios.model.history import Operation, Phase
from midpipe.scenarios.model.state import State


def begun_with_nothing_queued(
    history: Sequence[Operation], states: Sequence[State]
) -> frozenset[int]:
    """Return when those runs began, as ``invoked_at``: no list held then what it held after an enqueue.

    Args:
        states: the operations' ``state_after`` indexes them.
    """
    found = set()
    for run in history:
        if run.method != "work" or run.phase is Phase.RECOVERY:
            continue
        earlier = [other for other in history if other.completed_at <= run.invoked_at]
        queued = {
            entry
            for other in earlier
            if other.method == "enqueue"
            for entry in _queued(states[other.state_after])
        }
        now = states[max((other.state_after for other in earlier), default=0)]
        if queued and queued.isdisjoint(_queued(now)):
            found.add(run.invoked_at)
    return frozenset(found)


def _queued(state: State) -> Iterator[tuple[str, str]]:
    """Yield the elements of all lists, with the lists' keys."""
    for key, value in state.items():
        if value.kind == "list":
            for word in value.words:
                yield key, word
