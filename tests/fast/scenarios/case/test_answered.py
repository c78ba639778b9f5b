"""What a call came to, as the subject's process answers it."""

from __future__ import annotations

from midpipe.scenarios.case.answered import answered_from


def test_a_call_that_raised_has_no_value_whatever_else_its_process_answers() -> None:
    raised = answered_from({"ok": True, "error": {"type": "OSError", "message": "cut"}, "ms": 1})
    assert (raised.value, raised.error and raised.error.type) == (None, "OSError")
    assert answered_from({"ok": True, "ms": 1}).value is True
