"""A server's reply as short text."""

from __future__ import annotations

from midpipe.faultinject.wire.resp import Reply
from midpipe.scenarios.case.reply_text import reply_text, shortened


def test_a_text_that_is_cut_ends_in_an_ellipsis() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
    assert reply_text(Reply(b"x" * 300, b"", b"$")) == "x" * 199 + "…"
