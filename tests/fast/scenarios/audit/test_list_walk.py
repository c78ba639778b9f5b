"""A walk over a list that others push to and pop from misses nothing that is in it throughout."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.scenarios.audit.list_walk import OVERLAP, ListWalk


def ranged(members: list[bytes], start: int, stop: int) -> list[bytes]:
    """Return what LRANGE returns."""
    size = len(members)
    first = max(0, start + size if start < 0 else start)
    last = stop + size if stop < 0 else stop
    return members[first : last + 1] if last >= first else []


def walked(walk: ListWalk, members: list[bytes], changes: list[tuple[str, int]]) -> list[bytes]:
    """Walk to the end; before each read but the first, one change is made to the list."""
    seen: list[bytes] = []
    made = 0
    pending = iter(changes)
    is_first = True
    while not walk.is_done:
        if not is_first:
            kind, count = next(pending, ("", 0))
            for _ in range(count):
                if kind == "push":
                    made += 1
                    new = f"new-{made}".encode()
                    members[:] = [*members, new] if walk.pushed_at == "tail" else [new, *members]
                elif kind == "pop" and members:
                    members.pop(0 if walk.pushed_at == "tail" else -1)
                elif kind == "remove" and members:
                    del members[len(members) // 2]
        is_first = False
        restarts = walk.restarts
        new_members = walk.take(ranged(members, *walk.next_range()))
        if walk.restarts > restarts:
            seen.clear()
        seen += new_members
    return seen


@pytest.mark.parametrize("pushed_at", ["head", "tail"])
@given(
    size=st.integers(0, 120),
    changes=st.lists(
        st.tuples(st.sampled_from(["push", "pop", "remove"]), st.integers(0, 12)), max_size=30
    ),
)
def test_every_member_that_stays_is_seen_exactly_once(
    pushed_at: str, size: int, changes: list[tuple[str, int]]
) -> None:
    before = [f"m-{number}".encode() for number in range(size)]
    members = list(before)
    walk = ListWalk(pushed_at, chunk=10)
    seen = Counter(walked(walk, members, changes))
    if not walk.is_torn:
        stayed = [member for member in before if member in members]
        assert {member: seen[member] for member in stayed} == dict.fromkeys(stayed, 1)


def test_a_list_at_rest_is_read_from_the_end_where_members_are_put_in() -> None:
    members = [b"a", b"b", b"c", b"d", b"e"]
    assert walked(ListWalk("tail", chunk=2), list(members), []) == [b"e", b"d", b"c", b"b", b"a"]
    assert walked(ListWalk("head", chunk=2), list(members), []) == [b"a", b"b", b"c", b"d", b"e"]


def test_a_member_that_is_in_the_list_twice_is_seen_twice() -> None:
    assert walked(ListWalk("tail", chunk=2), [b"a", b"x", b"b", b"x"], []).count(b"x") == 2


def test_more_pushes_than_a_read_holds_do_not_end_the_walk() -> None:
    members = [f"m-{number}".encode() for number in range(50)]
    walk = ListWalk("tail", chunk=10)
    seen = walked(walk, members, [("push", 45)])
    assert (walk.restarts, set(seen) >= {f"m-{number}".encode() for number in range(50)}) == (
        0,
        True,
    )


def test_a_list_whose_middle_is_removed_again_and_again_proves_nothing() -> None:
    walk = ListWalk("tail", chunk=10)
    for _ in range(20):
        walk.take([f"m-{number}".encode() for number in range(10)])
        # Nothing of what was read last is left.
        walk.take([b"other"])
        if walk.is_done:
            break
    assert walk.is_torn
    assert OVERLAP > 0
