"""Which faults and commands ``--fault`` and ``--at`` select."""

from __future__ import annotations

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.explore.fault_selection import aim_at


def test_an_unknown_fault_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match=r"no fault 'lost-replay'\. Did you mean 'lost-reply'"):
        aim_at(["lost-replay"], [])


@pytest.mark.parametrize("at", ["", " ", ":jobs"])
def test_a_place_without_a_command_is_refused(at: str) -> None:
    with pytest.raises(UsageError, match="Write COMMAND or COMMAND:KEY"):
        aim_at([], ["HSET", at])
