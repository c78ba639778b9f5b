"""Which jobs a drain gets of a queue, for how long it waits for one, and what it counts of what comes twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from midpipe.scenarios.case.draining import MAX_DELIVERIES, drained


@dataclass
class Waiting:
    """Jobs by the time from which on a worker gets them; it moves on only when the drain waits.

    Args:
        comes_after: jobs that a worker gets once those before are completed.
    """

    jobs: list[tuple[float, str]]
    comes_after: list[tuple[float, str]] = field(default_factory=list)
    now_s: float = 0.0
    waited: list[float] = field(default_factory=list)

    def take(self, _number: int) -> str | None:
        there = [job for job in self.jobs if job[0] <= self.now_s]
        if not there:
            return None
        self.jobs.remove(there[0])
        return there[0][1]

    def wait_until(self, at_s: float) -> None:
        self.waited.append(at_s)
        self.now_s = at_s

    def finish(self) -> bool:
        self.jobs += self.comes_after
        self.comes_after, had_any = [], bool(self.comes_after)
        return had_any

    def drained(
        self, *due: float, awaited: tuple[str, ...] = ()
    ) -> tuple[tuple[str, ...], float | None]:
        return drained(
            self.take, due, awaited, self.wait_until, lambda: self.now_s, finish=self.finish
        )


def test_an_empty_queue_is_drained_at_once() -> None:
    assert Waiting([]).drained() == ((), None)


def test_jobs_come_in_order_until_there_is_none() -> None:
    assert Waiting([(0.0, "a"), (0.0, "b")]).drained() == (("a", "b"), 0.0)


def test_a_job_that_is_missing_is_waited_for_until_what_keeps_it_back_expires() -> None:
    waiting = Waiting([(2.0, "a")])
    assert waiting.drained(1.0, 2.0, 3.0, awaited=("a",)) == (("a",), 2.0)
    assert waiting.waited == [1.0, 2.0]


def test_nothing_is_waited_for_if_no_job_is_missing() -> None:
    waiting = Waiting([(0.0, "a"), (2.0, "b")])
    assert waiting.drained(2.0, awaited=("a",)) == (("a",), 0.0)
    assert waiting.waited == []


def test_what_was_taken_is_completed_before_a_missing_job_is_waited_for() -> None:
    waiting = Waiting([(0.0, "a")], comes_after=[(0.0, "b")])
    assert waiting.drained(1.0, awaited=("a", "b")) == (("a", "b"), 0.0)
    assert waiting.waited == []


def test_nothing_is_completed_if_no_job_is_missing() -> None:
    waiting = Waiting([(0.0, "a")], comes_after=[(0.0, "b")])
    assert waiting.drained(awaited=("a",)) == (("a",), 0.0)


def test_a_job_that_stays_missing_ends_the_drain_when_nothing_is_due_any_more() -> None:
    waiting = Waiting([])
    assert waiting.drained(1.0, 2.0, awaited=("a",)) == ((), None)
    assert waiting.waited == [1.0, 2.0]


def test_a_job_that_comes_twice_at_once_counts_twice() -> None:
    assert Waiting([(0.0, "a"), (0.0, "a")]).drained(1.0) == (("a", "a"), 0.0)


def test_a_job_that_comes_back_after_a_wait_counts_once() -> None:
    waiting = Waiting([(0.0, "a"), (1.0, "a"), (1.0, "b")])
    assert waiting.drained(1.0, awaited=("b",)) == (("a", "b"), 1.0)


@pytest.mark.parametrize(
    ("between_s", "delivered"), [(0.2, ("a", "a")), (0.3, ("a",)), (2.0, ("a",))]
)
def test_a_job_that_comes_back_as_late_as_promised_counts_once(
    between_s: float, delivered: tuple[str, ...]
) -> None:
    times = iter((0.0, between_s))
    jobs = iter(("a", "a"))
    found, _ = drained(
        lambda _: next(jobs, None), (), (), lambda _: None, lambda: next(times), back_after_s=0.3
    )
    assert found == delivered


def test_a_queue_without_an_end_is_left_after_so_many_jobs() -> None:
    endless = [(0.0, f"job-{number}") for number in range(3 * MAX_DELIVERIES)]
    jobs, _ = Waiting(endless).drained()
    assert len(jobs) == MAX_DELIVERIES
    more = [(0.0, f"job-{number}") for number in range(3 * MAX_DELIVERIES)]
    assert len(Waiting(more).drained(1.0, 2.0)[0]) == MAX_DELIVERIES + 2


def test_a_missing_job_is_taken_after_the_periodic_work_has_put_it_back() -> None:
    waiting = Waiting([(0.0, "a")])
    found, _ = drained(
        waiting.take,
        (),
        ("a", "b"),
        waiting.wait_until,
        lambda: 0.0,
        put_back=lambda: waiting.jobs.append((0.0, "b")),
    )
    assert found == ("a", "b")


def test_periodic_work_that_puts_back_what_the_drain_has_taken_duplicates_nothing() -> None:
    waiting = Waiting([(0.0, "a")])
    found, _ = drained(
        waiting.take,
        (1.0, 2.0),
        ("a", "b"),
        waiting.wait_until,
        lambda: waiting.now_s,
        put_back=lambda: waiting.jobs.append((0.0, "a")),
    )
    assert found == ("a",)
    assert waiting.waited == [1.0, 2.0]


def test_no_periodic_work_is_done_if_no_job_is_missing() -> None:
    waiting = Waiting([(0.0, "a")])
    done: list[int] = []
    drained(
        waiting.take,
        (),
        ("a",),
        waiting.wait_until,
        lambda: 0.0,
        put_back=lambda: done.append(1),
    )
    assert done == []
