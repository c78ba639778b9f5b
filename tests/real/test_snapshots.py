"""What counts as a change of the server's state: the effect of a command, and not the expiry of a key."""

from __future__ import annotations

import pickle
import time

import pytest

from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from midpipe.scenarios.model.state import RedisValue, changes_between, contents_of, snapshot_of


@pytest.fixture
def rig(worker: Worker) -> Rig:
    rig = worker.rig(SubjectSpec(REFERENCE))
    rig.reset()
    return rig


def until_gone(rig: Rig, key: str) -> None:
    while rig.control.call("EXISTS", key):
        time.sleep(0.001)


@pytest.fixture
def recorder(rig: Rig) -> Recorder:
    """Return a recorder that has seen a key with a short TTL, and one with a long TTL."""
    rig.control.call("SET", "brief", "1", "PX", "200")
    rig.control.call("SET", "lasting", "1", "EX", "1000")
    recorder = Recorder(rig.snapshot)
    recorder.record_state()
    return recorder


def test_an_expired_key_is_no_change_by_a_command(rig: Rig, recorder: Recorder) -> None:
    until_gone(rig, "brief")
    # The next moment, since the server counts the time in whole milliseconds.
    time.sleep(0.002)
    assert not recorder.record_state()
    assert sorted(recorder.states[-1]) == ["lasting"]


@pytest.mark.parametrize(
    "command",
    [("DEL", "lasting"), ("SET", "lasting", "2"), ("SET", "new", "1")],
)
def test_a_command_s_effect_is_a_change_even_if_a_key_expires_meanwhile(
    rig: Rig, recorder: Recorder, command: tuple[str, ...]
) -> None:
    until_gone(rig, "brief")
    rig.control.call(*command)
    assert recorder.record_state()


def test_a_key_whose_ttl_was_removed_does_not_count_as_expired(
    rig: Rig, recorder: Recorder
) -> None:
    rig.control.call("PERSIST", "brief")
    assert not recorder.record_state()
    time.sleep(0.21)
    rig.control.call("DEL", "brief")
    assert recorder.record_state()


def test_a_key_that_may_be_gone_before_it_is_read_is_in_no_state() -> None:
    keys = (("at-once", 0), ("of-no-lease", 1), ("brief", 20), ("lasting", -1))
    entries = tuple((name.encode(), b"string", (b"1",), lasts_ms) for name, lasts_ms in keys)
    before = snapshot_of((1_000, entries))
    assert sorted(before.state) == ["brief", "lasting"]
    assert not snapshot_of((1_019, entries[3:])).differs_by_more_than_time(before.state)


ADD = ("XADD", "s", "5-1", "job", "job-2")


@pytest.fixture
def streamed(rig: Rig) -> Recorder:
    """Return a recorder that has seen a stream of one entry, which is pending for a consumer of its group."""
    rig.control.call("XADD", "s", "1-1", "job", "job-1")
    rig.control.call("XGROUP", "CREATE", "s", "workers", "0")
    rig.control.call("XREADGROUP", "GROUP", "workers", "w1", "STREAMS", "s", ">")
    recorder = Recorder(rig.snapshot)
    recorder.record_state()
    return recorder


@pytest.mark.parametrize(
    "command",
    [
        ADD,
        ("XDEL", "s", "1-1"),
        ("XACK", "s", "workers", "1-1"),
        ("XCLAIM", "s", "workers", "w2", "0", "1-1"),
        ("XCLAIM", "s", "workers", "w1", "0", "1-1"),
        ("XGROUP", "CREATE", "s", "others", "$"),
        ("XGROUP", "CREATECONSUMER", "s", "workers", "w2"),
        ("XGROUP", "SETID", "s", "workers", "0"),
        ("XSETID", "s", "9-9"),
    ],
    ids=" ".join,
)
def test_every_part_of_a_stream_is_compared(
    rig: Rig, streamed: Recorder, command: tuple[str, ...]
) -> None:
    rig.control.call(*command)
    assert streamed.record_state()


def test_a_longer_wait_of_a_pending_entry_is_no_change_as_a_longer_ttl_is_none(
    rig: Rig, streamed: Recorder
) -> None:
    rig.control.call("XCLAIM", "s", "workers", "w1", "0", "1-1", "IDLE", "9000", "JUSTID")
    assert not streamed.record_state()


def test_a_story_shows_the_entry_that_a_command_added(rig: Rig, streamed: Recorder) -> None:
    rig.control.call(*ADD)
    streamed.record_state()
    (change,) = changes_between(*streamed.states)
    assert ('5-1 ["job","job-2"]' in change.before, '5-1 ["job","job-2"]' in change.after) == (
        False,
        True,
    )


PICKLES = [pickle.dumps({"n": number}, protocol=4) for number in range(2)]


@pytest.mark.parametrize(
    ("one", "other"),
    [PICKLES, (b"\xff\\xfe", b"\\xff\xfe"), (b"\xff", b"\xfe")],
    ids=["pickles", "escapes", "bytes"],
)
@pytest.mark.parametrize(
    "write",
    [("SET", "k"), ("HSET", "k", "field"), ("RPUSH", "k"), ("XADD", "k", "1-1", "field"), ("SET",)],
    ids=["string", "hash", "list", "stream", "name"],
)
def test_values_that_are_not_text_are_compared(
    rig: Rig, write: tuple[str, ...], one: bytes, other: bytes
) -> None:
    recorder = Recorder(rig.snapshot)
    rest = ("1",) if write == ("SET",) else ()
    for value in (one, one, other):
        rig.reset()
        rig.control.call(*write, value, *rest)
        recorder.record_state()
    assert len(recorder.states) == 2


@pytest.mark.parametrize("end", [b"", "ä".encode(), b"\xff"])
def test_large_values_are_compared_without_being_kept(rig: Rig, end: bytes) -> None:
    recorder = Recorder(rig.snapshot)
    for last in (b"1", b"1", b"2"):
        rig.control.call("SET", "k", b"x" * 99 + end + b"x" * 1_000_000 + last)
        recorder.record_state()
    assert len(recorder.states) == 2
    assert all(len(str(state["k"])) < 300 for state in recorder.states)


def test_of_a_type_that_a_snapshot_does_not_show_the_orders_are_not_predicted() -> None:
    shown = RedisValue("stream", ('1-1 ["job","job-1"]', "last id 1-1"))
    digest = RedisValue("ReJSON-RL", ("(20 bytes, SHA-1 f00)",))
    assert contents_of({"k": shown}) is not None
    assert contents_of({"k": digest}) is None
