"""A suspicion counts only if a later observation confirms it and nothing has changed in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.audit.layout import Damage
from midpipe.scenarios.audit.observation import Suspicion
from midpipe.scenarios.audit.suspects import MOST_OBSERVATIONS, Fate, Suspects

SUSPICION = Suspicion(
    damage=Damage.LOST,
    rule=1,
    job_id="j-1",
    parts=(("job_id", "j-1"),),
    origin="old",
    evidence="is gone",
    fingerprint="before",
)


@pytest.fixture
def suspects() -> Suspects:
    made = Suspects(settle_s=10.0)
    made.add([SUSPICION], 100.0)
    return made


def again(suspects: Suspects, now_s: float, *found: Suspicion, is_nowhere: bool = False) -> None:
    (suspect,) = suspects.due(now_s)
    suspects.observed_again(suspect, found, now_s, is_nowhere=is_nowhere)


def test_a_suspect_is_not_read_again_before_it_has_settled(suspects: Suspects) -> None:
    assert list(suspects.due(109.0)) == []
    assert suspects.wait_s(109.0) == 1.0
    assert len(list(suspects.due(110.0))) == 1


def test_the_same_suspicion_of_an_unchanged_job_is_confirmed(suspects: Suspects) -> None:
    again(suspects, 110.0, SUSPICION)
    assert suspects.confirmed == (SUSPICION,)
    assert suspects.counts()[Damage.LOST] == 1
    assert len(suspects) == 0


def test_a_suspect_that_is_in_order_now_has_converged(suspects: Suspects) -> None:
    again(suspects, 110.0)
    assert (suspects.confirmed, suspects.fates) == ((), {Fate.CONVERGED: 1})


def test_a_suspect_that_no_key_knows_any_more_has_vanished(suspects: Suspects) -> None:
    again(suspects, 110.0, is_nowhere=True)
    assert suspects.fates == {Fate.VANISHED: 1}


def test_a_job_that_has_changed_settles_again(suspects: Suspects) -> None:
    changed = replace(SUSPICION, fingerprint="after")
    again(suspects, 110.0, changed)
    assert list(suspects.due(119.0)) == []
    again(suspects, 120.0, changed)
    assert suspects.confirmed == (changed,)


def test_a_job_that_changes_each_time_is_never_accused(suspects: Suspects) -> None:
    now_s = 100.0
    for number in range(MOST_OBSERVATIONS - 1):
        now_s += 10.0
        again(suspects, now_s, replace(SUSPICION, fingerprint=str(number)))
    assert (suspects.confirmed, suspects.fates) == ((), {Fate.UNDECIDED: 1})


def test_what_there_is_no_room_for_is_undecided_and_not_forgotten() -> None:
    suspects = Suspects(settle_s=1.0, most=2)
    suspects.add([replace(SUSPICION, job_id=f"j-{number}") for number in range(5)], 0.0)
    assert (len(suspects), suspects.fates) == (2, {Fate.UNDECIDED: 3})
