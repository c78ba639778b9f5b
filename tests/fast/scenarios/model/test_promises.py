"""Promises: which are declared, which are seen, and what a user who misspells one reads."""

from __future__ import annotations

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.promises import (
    AfterCrash,
    Delivery,
    Order,
    Promises,
    Retention,
    Source,
    declared,
)


def test_nothing_declared_gives_the_defaults() -> None:
    assert declared({}) == Promises()
    assert declared({}).source_of("delivery") is Source.DEFAULT


def test_the_later_of_two_declarations_counts() -> None:
    promises = declared({"order": "fifo", "delivery": "at-most-once"}, {"order": "none"})
    assert (promises.order, promises.delivery) == (Order.NONE, Delivery.AT_MOST_ONCE)
    assert promises.source_of("order") is Source.DECLARED


def test_what_a_run_shows_does_not_replace_what_is_declared() -> None:
    promises = declared({"retention": "keeps"}).with_seen(
        {"retention": Retention.DELETES, "after_crash": AfterCrash.FAILS}
    )
    assert (promises.retention, promises.after_crash) == (Retention.KEEPS, AfterCrash.FAILS)
    assert promises.source_of("after_crash") is Source.SEEN


@pytest.mark.parametrize("value", [60, 0.5])
def test_a_time_is_a_number_of_seconds(value: float) -> None:
    assert declared({"recovers_within_s": value}).recovers_within_s == value


@pytest.mark.parametrize("value", ["soon", True, 0, -1, float("nan"), float("inf"), None, [1]])
def test_a_time_that_is_no_positive_number_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="recovers_within_s is a positive number of seconds"):
        declared({"recovers_within_s": value})


def test_deduplication_may_last_until_the_job_is_done() -> None:
    assert declared({"deduplicates_for": "until-done"}).deduplicates_for == "until-done"


def test_an_unknown_promise_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"no promise 'delivry'\. Did you mean 'delivery'"):
        declared({"delivry": "at-least-once"})


def test_an_unknown_value_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="Did you mean 'at-most-once'"):
        declared({"delivery": "at-most-one"})


def test_rows_name_each_known_promise_with_its_source() -> None:
    rows = declared({"order": "fifo"}).rows()
    assert ("order", "fifo", Source.DECLARED) in rows
    assert "recovers_within_s" not in [name for name, _, _ in rows]
