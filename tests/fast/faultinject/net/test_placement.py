"""Which commands meet a fault that is placed by name, key and number."""

from __future__ import annotations

import pytest

from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.net.placement import PROXY_FAULTS, Placement, Tally
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.conversation import Conversation
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import encode_command

ALWAYS = 0.0


def first_word(args: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    """Take the first word after the name for the only key; the keys of EVAL are not known."""
    return None if args[0] == b"EVAL" else args[1:2]


def received(*commands: str) -> list[ReceivedCommand]:
    conversation = Conversation(CommandTable({}))
    conversation.receive_from_client(b"".join(encode_command(*text.split()) for text in commands))
    found = []
    while (one := conversation.next_command()) is not None:
        found.append(one)
    return found


@pytest.mark.parametrize(
    ("placement", "command", "expected"),
    [
        (Placement(fault="lost-reply"), "SET k v", True),
        (Placement(fault="lost-reply"), "HELLO 3", False),
        (Placement(fault="lost-reply", command="HELLO"), "HELLO 3", True),
        (Placement(fault="lost-reply", command="set"), "SET k v", True),
        (Placement(fault="lost-reply", command="INCR*"), "INCRBY k 2", True),
        (Placement(fault="lost-reply", command="INCR"), "INCRBY k 2", False),
        (Placement(fault="lost-reply", key="jobs:*"), "SET jobs:1 v", True),
        (Placement(fault="lost-reply", key="v"), "SET k v", False),
        (Placement(fault="lost-reply", key="v"), "EVAL script 1 v", True),
        (Placement(fault="lost-reply", argument="take-*"), "EVALSHA 5f3c 0 take-job", True),
        (Placement(fault="lost-reply", argument="5f*"), "EVALSHA 5f3c 0 take-job", True),
        (Placement(fault="lost-reply", argument="EVALSHA"), "EVALSHA 5f3c 0 take-job", False),
        (Placement(fault="lost-reply", argument="v", key="x"), "SET k v", False),
    ],
)
def test_a_placement_matches_by_name_and_key(
    placement: Placement, command: str, expected: bool
) -> None:
    (one,) = received(command)
    assert placement.matches(one, first_word) is expected


def test_a_command_inside_a_block_meets_only_faults_that_make_sense_there() -> None:
    _, inside, end = received("MULTI", "SET k v", "EXEC")
    matching = {
        fault for fault in PROXY_FAULTS if Placement(fault=fault).matches(inside, first_word)
    }
    assert matching == {fault for fault in PROXY_FAULTS if CATALOGUE[fault].inside_block}
    assert Placement(fault="refuse", command="EXEC", key="k").matches(end, first_word)


@pytest.mark.parametrize(
    ("placement", "connections", "fired"),
    [
        (Placement(fault="stall"), (1, 1, 1), [True, False, False]),
        (Placement(fault="stall", nth=2), (1, 1, 1), [False, True, False]),
        (Placement(fault="stall", nth=2, times=0), (1, 1, 1), [False, True, True]),
        (Placement(fault="stall", nth=2), (1, 2, 1), [False, True, False]),
        (Placement(fault="stall", nth=2, per_connection=True), (1, 2, 1), [False, False, True]),
    ],
)
def test_a_fault_fires_from_the_nth_match_on_as_often_as_times_says(
    placement: Placement, connections: tuple[int, ...], fired: list[bool]
) -> None:
    tally = Tally()
    assert [tally.fires(placement, each, lambda: ALWAYS) for each in connections] == fired
    assert tally.fired == sum(fired)


def test_a_fault_that_chance_spares_may_fire_at_a_later_match() -> None:
    tally, placement = Tally(), Placement(fault="stall", probability=0.5)
    numbers = iter((0.5, 0.49))
    assert [tally.fires(placement, 1, lambda: next(numbers)) for _ in range(2)] == [False, True]


def test_a_refusal_lasts_for_a_second_unless_a_parameter_says_otherwise() -> None:
    durations = [Placement(fault="refuse", parameter=ms).refused_for_s for ms in (None, 0, 250)]
    assert durations == [1.0, 0.0, 0.25]
