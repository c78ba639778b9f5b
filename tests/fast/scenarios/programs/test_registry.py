"""Which programs a name may mean, and which command runs the programs that were chosen."""

from __future__ import annotations

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.programs.registry import PROGRAMS, chosen_programs, run_by_others

PAIR, ALONE = "same-request-twice", "claim-tick-claim"


def test_an_unknown_program_is_answered_with_the_nearest_names_instead_of_all() -> None:
    with pytest.raises(UsageError) as raised:
        chosen_programs(["nosuch"], ())
    named = [name for name in PROGRAMS if repr(name) in str(raised.value)]
    assert len(named) == 3
    assert "docs/programs.md" in str(raised.value)


def test_a_misspelt_program_is_answered_with_the_one_that_is_meant() -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'claim-tick-claim'\?$"):
        chosen_programs(["claim-tik-claim"], ())


@pytest.mark.parametrize(
    ("parts", "chosen", "sentences"),
    [
        (
            ["interleave"],
            [PAIR, ALONE],
            [
                f"Not run here, as interleave has no such programs: {ALONE}. midpipe sweep runs them."
            ],
        ),
        (["sweep", "interleave"], [PAIR, ALONE], []),
        (["durability"], [ALONE], []),
        (["interleave"], [], []),
    ],
)
def test_chosen_programs_of_another_command_are_named_with_that_command(
    parts: list[str], chosen: list[str], sentences: list[str]
) -> None:
    assert list(run_by_others(parts, chosen)) == sentences
