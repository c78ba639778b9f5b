"""When recovery runs the worker again, by what the queue promises."""

from __future__ import annotations

import pytest

from midpipe.scenarios.case.expiry import leases_in, promised_waits
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.model.record import Called


@pytest.mark.parametrize(
    ("promises", "waits_s"),
    [
        ({}, set()),
        ({"visibility_timeout_s": 30}, {30}),
        # A worker notices a dead one at 15 s, and its job is given out 10 s later.
        ({"recovers_within_s": 40}, {10, 20, 30, 40}),
    ],
)
def test_a_recovery_of_several_steps_gets_a_run_of_the_worker_for_each(
    promises: dict[str, float], waits_s: set[float]
) -> None:
    assert promised_waits(declared(promises), longest_s=60.0) == waits_s


def test_what_lasts_longer_than_recovery_can_wait_is_not_waited_for() -> None:
    promises = declared({"recovers_within_s": 20, "visibility_timeout_s": 30})
    assert promised_waits(promises, longest_s=10.0) == set()


def test_a_lease_that_a_call_asked_for_may_last_until_a_whole_second_after_it() -> None:
    asked = [
        Called("A", "enqueue", (("job_id", "job-1"),), 1),
        Called("A", "claim", (("worker_id", "worker-a"), ("lease_s", 30.0)), 1),
        Called("A", "heartbeat", (("job_id", "job-1"), ("lease_s", None)), 1),
    ]
    assert list(leases_in(asked)) == [31.0]
