"""What counts as a change of the server's state: the effect of a command, and not the expiry of a key."""

from __future__ import annotations

import time

import pytest

from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec


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
    rig.control.call("SET", "brief", "1", "PX", "20")
    rig.control.call("SET", "lasting", "1", "EX", "1000")
    recorder = Recorder(rig)
    recorder.record_state()
    return recorder


def test_an_expired_key_is_no_change_by_a_command(rig: Rig, recorder: Recorder) -> None:
    until_gone(rig, "brief")
    # The next moment, since the server tells the time in whole milliseconds.
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
    time.sleep(0.03)
    rig.control.call("DEL", "brief")
    assert recorder.record_state()
