"""What a story shows of a key that a command changed."""

from __future__ import annotations

import pytest

from midpipe.scenarios.model.state import RedisValue, changes_between

LONG = "x" * 500


def shown(before: RedisValue, after: RedisValue) -> tuple[str, str]:
    (change,) = changes_between({"k": before}, {"k": after})
    return change.before, change.after


def test_a_short_value_is_shown_whole() -> None:
    before, after = RedisValue("list", ("a", "b")), RedisValue("list", ("a", "b", "c"))
    assert shown(before, after) == ("[a, b]", "[a, b, c]")


@pytest.mark.parametrize("kind", ["list", "set", "stream", "zset"])
def test_a_long_value_is_shown_from_the_first_element_that_differs(kind: str) -> None:
    before, after = RedisValue(kind, (LONG, "b", "c")), RedisValue(kind, (LONG, "d", "c"))
    assert shown(before, after) == ("…b, c]", "…d, c]")


def test_a_long_text_is_shown_from_shortly_before_the_first_character_that_differs() -> None:
    before, after = RedisValue("string", (f"{LONG}1",)), RedisValue("string", (f"{LONG}2",))
    assert shown(before, after) == (f"…{'x' * 12}1'", f"…{'x' * 12}2'")


def test_each_field_of_a_hash_is_shown_from_its_own_difference() -> None:
    before = RedisValue("hash", ("same", "s", "long", f"{LONG}1", "n", "1"))
    after = RedisValue("hash", ("same", "s", "long", f"{LONG}2", "n", "2"))
    x = "x" * 12
    assert shown(before, after) == (f"{{long: …{x}1', n: '1'}}", f"{{long: …{x}2', n: '2'}}")


def test_a_field_that_was_not_there_is_shown_from_its_beginning() -> None:
    before, after = RedisValue("hash", ("a", "1")), RedisValue("hash", ("a", "1", "b", "2"))
    assert shown(before, after) == ("{}", "{b: '2'}")


def test_a_long_value_that_differs_from_its_beginning_is_cut_at_its_end() -> None:
    before, after = RedisValue("string", (f"1{LONG}",)), RedisValue("string", (f"2{LONG}",))
    assert shown(before, after)[1] == f"'2{'x' * 398}… (503 characters)"
