"""The outline of a state, equal for states that differ in ids and times alone; and whether a run left anything new.

Knows no queue: what it compares are the keys of a server.
"""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise

from midpipe.scenarios.model.state import State

_VARIABLE = re.compile(r"[A-Za-z]*[0-9][A-Za-z0-9]*(?:[-.]+[A-Za-z]*[0-9][A-Za-z0-9]*)*")


def outline(state: State) -> str:
    """Return a digest of a state in which numbers, and words with digits in them, such as ids, count as equal.

    Of the members of a sorted set that are equal then, one counts: workers leave their ids and times there.
    """
    lines = []
    for key, value in state.items():
        words = [_VARIABLE.sub("*", word) for word in value.words]
        if value.kind in ("hash", "zset"):
            words = sorted(map(" ".join, zip(words[::2], words[1::2], strict=True)))
        if value.kind == "zset":
            words = list(dict.fromkeys(words))
        elif value.kind == "set":
            words.sort()
        lines.append(repr((_VARIABLE.sub("*", key), value.kind, words)))
    return sha256("\n".join(sorted(lines)).encode("utf-8", "surrogatepass")).hexdigest()


def leaves_nothing_new(before: State, *after: State) -> bool:
    """Whether a worker that ran nothing, once or twice, has left nothing that a further run might run.

    Once: it has at most removed keys, or taken locks that expire. Twice: each run has left the same in keys of its own,
    such as a record of itself. A job that the first has made ready to run, or moved, would have run in the second.
    """
    left = [_left_by_run(*pair) for pair in pairwise((before, *after))]
    if len(left) < 2:
        return not any(left)
    is_added = all(
        new.keys().isdisjoint(old) for new, old in zip(left, (before, *after), strict=False)
    )
    return is_added and len({*map(outline, left)}) == 1


def _left_by_run(before: State, after: State) -> State:
    """Return the keys that are new or have another outline, without locks that expire."""
    return {
        key: value
        for key, value in after.items()
        if (value.kind != "string" or value.expires_at_ms is None)
        and (key not in before or outline({key: value}) != outline({key: before[key]}))
    }
