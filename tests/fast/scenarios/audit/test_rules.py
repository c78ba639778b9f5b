"""What is suspicious about a job, given what was read of it, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from midpipe.scenarios.audit.layout import Damage, Layout
from midpipe.scenarios.audit.layout_file import read_layout
from midpipe.scenarios.audit.layouts import layout_named
from midpipe.scenarios.audit.observation import Observation
from midpipe.scenarios.audit.rules import examine, open_places

NOW_S = 1_800_000_000.0
FIELDS = {
    "job_id": b"j",
    "status": b"pending",
    "action_provider": b"mail",
    "action_name": b"send",
    "params": b'{"card": "4111"}',
    "workspace_id": b"acme",
    "actor_id": b"u",
    "enqueued_at": b"2026-01-01T00:00:00+00:00",
}


def copy(status: str = "pending", **more: bytes) -> dict[str, bytes]:
    return {**FIELDS, "status": status.encode(), **more}


def observed(
    old: dict[str, bytes] | None, new: dict[str, bytes] | None, **more: Any
) -> Observation:
    parts = {"job_id": "j", "workspace_id": "acme", **more.pop("parts", {})}
    origin = more.pop("origin", "old")
    return Observation("j", parts, origin, {"old": old, "new": new}, **more)


def damages(layout: Layout, seen: Observation) -> list[Damage]:
    return [found.damage for found in examine(layout, seen, NOW_S)]


LIVE = observed(copy(), copy(), counts={"pending": 1})
SANE = {
    "pending and queued": LIVE,
    "completed and gone from the queue": observed(copy("completed"), copy("completed")),
    "running for a minute": observed(*[copy("running", started_at=b"1799999940")] * 2),
    "from before the new schema": observed(copy("completed"), None),
}
DAMAGED = {
    "data without a place": (observed(copy(), copy(), counts={"pending": 0}), [Damage.ORPHANED]),
    "a place without data": (
        observed(None, None, counts={"pending": 1}, origin="pending"),
        [Damage.LOST],
    ),
    "a request without a job": (
        observed(None, None, pointed={"request": "j"}, origin="request"),
        [Damage.LOST],
    ),
    "queued twice": (observed(copy(), copy(), counts={"pending": 2}), [Damage.DOUBLED]),
    "done and still queued": (
        observed(copy("completed"), copy("completed"), counts={"pending": 1}, origin="pending"),
        [Damage.DOUBLED],
    ),
    "running for a day": (
        observed(*[copy("running", started_at=b"2027-01-14T00:00:00+00:00")] * 2),
        [Damage.STUCK],
    ),
    "only one copy was updated": (observed(copy("completed"), copy("running")), [Damage.DIVERGING]),
    "a copy with a status only": (
        observed(copy("completed"), {"status": b"completed"}),
        [Damage.MALFORMED],
    ),
    "an unknown status": (observed(copy("done"), copy("done")), [Damage.MALFORMED]),
    "no workspace": (
        observed(copy("completed"), copy("completed"), parts={"workspace_id": ""}),
        [Damage.MALFORMED],
    ),
    "the old copy is missing": (observed(None, copy("completed")), [Damage.DIVERGING]),
}


@pytest.fixture(scope="module")
def dual() -> Layout:
    return layout_named("reviewed", "dual")


@pytest.mark.parametrize("case", SANE)
def test_a_job_in_order_is_not_suspected(dual: Layout, case: str) -> None:
    assert damages(dual, SANE[case]) == []


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_job_is_suspected_of_its_damage(dual: Layout, case: str) -> None:
    seen, expected = DAMAGED[case]
    assert damages(dual, seen) == expected


@pytest.mark.parametrize(
    ("phase", "expected"),
    [("old", []), ("dual", []), ("backfilled", [Damage.DIVERGING]), ("new", [Damage.LOST])],
)
def test_a_job_in_the_old_schema_only_is_damage_once_it_should_have_been_copied(
    phase: str, expected: list[Damage]
) -> None:
    assert damages(layout_named("reviewed", phase), observed(copy("completed"), None)) == expected


def test_a_list_that_was_not_walked_accuses_no_job(dual: Layout) -> None:
    seen = observed(copy(), copy())
    assert damages(dual, seen) == []
    assert open_places(dual, seen) == {"pending"}


def test_a_job_whose_copies_disagree_is_diverging_and_not_orphaned_as_well(dual: Layout) -> None:
    assert damages(dual, observed(copy(), copy("running"), counts={"pending": 0})) == [
        Damage.DIVERGING
    ]


def test_a_copy_that_could_not_be_read_accuses_no_job(dual: Layout) -> None:
    seen = observed(copy(), None)
    seen.unread.add("new")
    assert damages(dual, seen) == []


def test_no_payload_reaches_what_is_reported(dual: Layout) -> None:
    seen = observed(copy(), copy(params=b'{"card": "5105"}'), counts={"pending": 1})
    (found,) = examine(dual, seen, NOW_S)
    assert found.evidence == "old and new differ in params"
    assert "5105" not in repr(found)
    assert "4111" not in repr(found)


@pytest.mark.parametrize(("score", "expected"), [(NOW_S - 59, []), (NOW_S - 61, [Damage.STUCK])])
def test_a_lease_that_ended_long_ago_is_stuck(score: float, expected: list[Damage]) -> None:
    layout = layout_named("reference", "dual")
    running = copy("running", started_at=b"2026-01-01T00:00:00+00:00")
    seen = observed(running, running, scores={"leases": score * 1000}, origin="leases")
    assert damages(layout, seen) == expected


def test_any_progress_of_a_job_changes_the_fingerprint() -> None:
    seen = {
        observed(copy(), copy()).fingerprint(),
        observed(copy("running"), copy()).fingerprint(),
        observed(copy(), copy("running")).fingerprint(),
        observed(copy(), None).fingerprint(),
        observed(copy(), copy(), scores={"leases": 5.0}).fingerprint(),
        observed(copy(), copy(), scores={"leases": 6.0}).fingerprint(),
    }
    assert len(seen) == 6


def test_a_status_that_only_a_rule_of_age_names_is_shown() -> None:
    layout = read_layout(
        """
        name = "shop"
        record.order.key = "order:{job_id}"
        rule = [{ rule = "aged", status = ["packing"], field = "since" }]
        """
    )
    fields = {"status": b"packing", "since": b"1799990000"}
    (found,) = examine(layout, Observation("1", {"job_id": "1"}, "order", {"order": fields}), NOW_S)
    assert found.evidence == "is packing for more than 3600 s"
