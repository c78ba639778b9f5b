"""Options that narrow or extend what a run judges: programs, invariants, faults and where they are placed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from midpipe.reports.cli.options import OWN_PROGRAMS
from midpipe.scenarios.explore.fault_selection import Aim, aim_at
from midpipe.scenarios.invariants.selection import Selection
from midpipe.scenarios.programs.registry import chosen_programs

Command = TypeVar("Command", bound=Callable[..., Any])

PROGRAM = click.option(
    "--program",
    "programs",
    multiple=True,
    metavar="NAME",
    help="Run only this program: a name, one of --programs, or written out: 'written(A enqueue job-1, A work)'. May be "
    "repeated.",
)
BASELINE = click.option(
    "--baseline",
    default=None,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Accept the findings in this file, which midpipe baseline writes: fail on new ones only.",
)
_INVARIANTS = (
    click.option(
        "--only",
        multiple=True,
        metavar="INVARIANT",
        help="Judge by this invariant only; may be repeated.",
    ),
    click.option(
        "--skip",
        multiple=True,
        metavar="INVARIANT",
        help="Do not judge by this invariant; may be repeated.",
    ),
)
_AIM = (
    click.option(
        "--fault",
        "aimed_faults",
        multiple=True,
        metavar="FAULT",
        help="Inject only this fault; may be repeated.",
    ),
    click.option(
        "--at",
        multiple=True,
        metavar="COMMAND[:KEY]",
        help="Inject faults only at these commands, such as HSET, 'RPUSH:ai:queue:*' or 'EVALSHA:tasks ack'; may be "
        "repeated.",
    ),
)


def judging_options(command: Command) -> Command:
    """Add the options that choose programs of the user's own, invariants, and findings that are accepted."""
    return _with(command, (OWN_PROGRAMS, *_INVARIANTS, BASELINE))


def aiming_options(command: Command) -> Command:
    """Add the options that say which faults are placed where."""
    return _with(command, _AIM)


def _with(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def selection_from(values: dict[str, Any]) -> Selection:
    """Return the invariants that a command's options choose. Raises UsageError."""
    selection = Selection(
        only=tuple(values.get("only", ())),
        skip=tuple(values.get("skip", ())),
        files=tuple(values["own_files"]),
    )
    # Resolved here once, so that a misspelt name ends the command before anything is started.
    assert selection.invariants
    return selection


def programs_from(values: dict[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """Return the full names of the programs that a command's options choose; none chooses all. Raises UsageError."""
    return chosen_programs(names, values["own_files"])


def aim_from(values: dict[str, Any]) -> Aim:
    """Return which faults a command's options place where. Raises UsageError."""
    return aim_at(values["aimed_faults"], values["at"])
