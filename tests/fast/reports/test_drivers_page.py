"""The page of what drivers do: its cells, and what it says of what was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.reports.sinks.drivers import drivers_markdown
from midpipe.scenarios.drivers.commands import Behaviour, DriverRow
from midpipe.scenarios.drivers.receivers import ReceiverRow, Reception

ANSWERED = Behaviour(
    "lost-reply", 1, answered=True, raised=False, answer_is_right=True, replay="a case"
)
ROW = DriverRow("a-driver", "1.0", "Client()", "RPUSH", behaviours=(ANSWERED,))
FAILED = replace(ROW, version="2.0", behaviours=(), reason="The driver needs go.")


def tables(*rows: DriverRow, receivers: tuple[ReceiverRow, ...] = ()) -> list[str]:
    """Return the lines of the page after its head."""
    head = drivers_markdown((), (), "a server")
    page = drivers_markdown(rows, receivers, "a server")
    assert page.startswith(head)
    return [line for line in page.removeprefix(head).splitlines() if line]


@pytest.mark.parametrize(
    ("behaviour", "cell"),
    [
        (ANSWERED, "once, answered"),
        (replace(ANSWERED, answered=False, raised=True), "once, error"),
        (replace(ANSWERED, answered=False, applied=0), "never, no answer"),
        (replace(ANSWERED, applied=2), "**twice, answered**"),
        (replace(ANSWERED, applied=3), "**3 times, answered**"),
        (replace(ANSWERED, applied=2, answer_is_right=False), "**twice, wrong answer**"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_cell_says_how_often_the_command_ran_and_what_the_caller_learned(
    behaviour: Behaviour, cell: str
) -> None:
    assert tables(replace(ROW, behaviours=(behaviour,))) == [
        "## a-driver",
        "### The server has run the command, and the reply is lost",
        "| call | client | 1.0 |",
        "| --- | --- | --- |",
        f"| `RPUSH` | `Client()` | {cell} |",
    ]


def test_a_client_that_a_release_does_not_have_is_a_dash_and_one_that_failed_a_question_mark() -> (
    None
):
    other = replace(ROW, constructor="Other()")
    assert tables(ROW, other, FAILED)[4:6] == [
        "| `RPUSH` | `Client()` | once, answered | ? |",
        "| `RPUSH` | `Other()` | once, answered | – |",
    ]


def test_the_page_says_why_something_was_not_measured() -> None:
    again = replace(FAILED, way="LPOP")
    assert tables(ROW, FAILED, again)[-2:] == [
        "Not measured (?):",
        "- The driver needs go. (`RPUSH` of `Client()`, 2.0; `LPOP` of `Client()`, 2.0)",
    ]


def test_a_driver_of_which_nothing_was_measured_has_no_table() -> None:
    assert tables(FAILED) == [
        "## a-driver",
        "Not measured (?):",
        "- The driver needs go. (`RPUSH` of `Client()`, 2.0)",
    ]


def test_a_subscriber_that_was_not_measured_is_a_question_mark_with_its_reason() -> None:
    again = Reception("closed", receives_again=True, raised=False, was_notified=True)
    measured = ReceiverRow("a-driver", "1.0", "Client()", (again,))
    failed = ReceiverRow("a-driver", "2.0", "Client()", (), "It received no message.")
    assert tables(ROW, receivers=(measured, failed))[5:] == [
        "### A subscriber's connection is closed",
        "| client | 1.0 | 2.0 |",
        "| --- | --- | --- |",
        "| `Client()` | again, notice | ? |",
        "Not measured (?):",
        "- It received no message. (`subscriber` of `Client()`, 2.0)",
    ]
