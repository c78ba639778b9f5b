"""The server ends a wait of BLPOP by itself, and midpipe knows when, though the bytes pass it unread."""

from __future__ import annotations

import math

from midpipe.faultinject.wire.resp import encode_command
from midpipe.scenarios.case.server_waits import ServerWaits

POP = encode_command("BLPOP", "waiting", "0.5")


class Waits:
    """What is unanswered, and the time, as a test sets them."""

    def __init__(self) -> None:
        self.unanswered: dict[tuple[int, int], bytes] = {}
        self.now_s = 100.0
        self._waits = ServerWaits(lambda: self.unanswered, lambda: self.now_s)

    @property
    def left_s(self) -> float:
        return round(self._waits.next_end_s() - self.now_s, 3)


def test_a_wait_ends_when_its_time_is_up() -> None:
    waits = Waits()
    waits.unanswered = {(1, 10): POP}
    assert waits.left_s == 0.501
    waits.now_s += 0.2
    assert waits.left_s == 0.301


def test_the_same_command_sent_again_waits_anew() -> None:
    waits = Waits()
    waits.unanswered = {(1, 10): POP}
    assert waits.left_s == 0.501
    waits.now_s += 0.5
    waits.unanswered = {(1, 20): POP}
    assert waits.left_s == 0.501


def test_of_several_waits_the_one_that_ends_first_counts() -> None:
    waits = Waits()
    waits.unanswered = {(1, 10): encode_command("BLPOP", "waiting", "9"), (2, 10): POP}
    assert waits.left_s == 0.501


def test_a_command_that_does_not_block_waits_for_nothing() -> None:
    waits = Waits()
    waits.unanswered = {(1, 10): encode_command("GET", "key"), (2, 4): POP[:9], (3, 1): b"*x\r\n"}
    assert waits.left_s == math.inf


def test_a_blocking_command_behind_others_counts() -> None:
    waits = Waits()
    waits.unanswered = {(1, 10): encode_command("GET", "key") + POP}
    assert waits.left_s == 0.501


def test_a_server_that_stays_silent_long_after_the_end_of_a_wait_is_not_waited_for() -> None:
    waits = Waits()
    waits.unanswered = {(1, 10): POP}
    assert waits.left_s == 0.501
    waits.now_s += 2
    assert waits.left_s == math.inf
