"""The order in which the tasks of a part are run."""

from __future__ import annotations

from midpipe.scenarios.gate.task_queue import TaskQueue, cut_off_phrase


def handed_out(queue: TaskQueue, count: int) -> list[int | None]:
    return [queue.next() for _ in range(count)]


def test_tasks_are_handed_out_in_order_and_once() -> None:
    queue = TaskQueue(3)
    assert handed_out(queue, 4) == [0, 1, 2, None]


def test_a_task_that_was_stopped_continues_after_all_others_had_their_turn() -> None:
    queue = TaskQueue(3)
    queue.next()
    queue.put_back(0)
    assert handed_out(queue, 4) == [1, 2, 0, None]


def test_a_task_at_the_end_of_a_round_waits_until_the_others_are_there_too() -> None:
    queue = TaskQueue(3)
    handed_out(queue, 3)
    queue.put_back(0, next_round=1)
    queue.put_back(1, next_round=0)
    queue.ended(2)
    assert (queue.next(), queue.round) == (1, 0)
    queue.put_back(1, next_round=2)
    assert (queue.next(), queue.round) == (0, 1)
    queue.ended(0)
    assert (queue.next(), queue.round) == (1, 2)


def test_what_was_not_started_and_what_was_not_finished_is_known() -> None:
    queue = TaskQueue(4)
    handed_out(queue, 3)
    queue.ended(0)
    queue.put_back(1)
    assert queue.not_started == {3}
    assert queue.unfinished == {1, 2}
    assert queue.has_more


def test_a_phrase_says_how_much_was_cut_off() -> None:
    assert cut_off_phrase("24 programs", 12, 3) == "24 programs: 12 unfinished, 3 not started"
    assert cut_off_phrase("24 programs", 0, 3) == "24 programs: 3 not started"
    assert cut_off_phrase("24 programs", 0, 0) == ""
