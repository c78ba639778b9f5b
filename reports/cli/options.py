"""Options that several commands share, and how they become the engine's values."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from midpipe.faultinject.servers.opening import ServerSpec, parse_server_spec
from midpipe.scenarios.model.spec import (
    DEFAULT_PATIENCE_S,
    REFERENCE,
    SubjectSpec,
    parse_subject,
)

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_OUT = ".midpipe"
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):  # type: ignore[type-arg]  # click before 8.5, which is allowed, fails at ParamType[float]
    """A time in seconds, or with a unit: ``90``, ``90s``, ``10m``, ``2h``.

    Args:
        least_s: the shortest that is allowed, in seconds.
    """

    name = "duration"

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds."""
        if isinstance(value, int | float):
            return float(value)
        number, unit = (value[:-1], value[-1]) if value[-1:] in _UNITS_S else (value, "s")
        try:
            seconds = float(number) * _UNITS_S[unit]
        except ValueError:
            self.fail(f"{value!r} is not a time; write 90, 90s, 10m or 2h.", param, ctx)
        if not self._least_s <= seconds < float("inf"):
            self.fail(f"{value!r} is too short; {self._least_s:g}s is the least.", param, ctx)
        return seconds


_SUBJECT = (
    click.option(
        "--subject",
        default=REFERENCE,
        show_default=True,
        metavar="MODULE:CLASS",
        help="The queue under test: module:Class, path/to/file.py:Class, or 'command: …' for a program "
        "that speaks the subject protocol.",
    ),
    click.option(
        "--path",
        "paths",
        multiple=True,
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        help="A directory for the subject's imports; may be repeated.",
    ),
    click.option(
        "--python",
        default=sys.executable,
        show_default="this one",
        metavar="FILE",
        help="The interpreter that hosts the subject.",
    ),
    click.option(
        "--env",
        "environment",
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable for the subject's environment; may be repeated. AI_JOBS_NEW_SCHEMA is on unless set here.",
    ),
    click.option(
        "--patience",
        "patience_s",
        default=DEFAULT_PATIENCE_S,
        show_default=True,
        metavar="TIME",
        type=Duration(0.1),
        help="How long the subject may take to load, and to make an instance.",
    ),
)
_WHERE = "embedded, embedded:/path/to/redis-server, docker, docker:image, or redis://… of an empty database."
_SERVER = click.option(
    "--redis",
    "server",
    default="embedded",
    show_default=True,
    metavar="WHERE",
    help=f"The server to break: {_WHERE}",
)
_SERVERS = click.option(
    "--redis",
    "servers",
    multiple=True,
    metavar="WHERE",
    help=f"The server to break: {_WHERE} May be repeated: the subject is judged on each in turn.  "
    "[default: embedded]",
)
_LATENCY_BOUND = click.option(
    "--latency-bound",
    "latency_bound_s",
    default=5.0,
    show_default=True,
    metavar="TIME",
    type=Duration(0.1),
    help="How long any call may take, under any fault, if the subject declares no bound.",
)
_BESIDE = (
    click.option(
        "--beside",
        default=None,
        metavar="MODULE:CLASS",
        help="The other version of a mixed fleet, given as --subject is: the code that runs now, say.",
    ),
    click.option(
        "--beside-env",
        "beside_environment",
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable for the other version only; may be repeated. Without --beside, of the same code.",
    ),
)
JOBS = click.option(
    "--jobs",
    default=min(2, os.cpu_count() or 1),
    show_default="2, or the number of cores if that is less",
    type=click.IntRange(1, 64),
    help="Workers, each with a server of its own.",
)
TIME_BUDGET = click.option(
    "--time-budget",
    "time_budget_s",
    default=None,
    metavar="TIME",
    type=Duration(1.0),
    help="No case is begun after that; what was not reached is counted, and a pass becomes unknown.",
)
PROGRAMS = click.option(
    "--program",
    "programs",
    multiple=True,
    metavar="NAME",
    help="Only this program; may be repeated.",
)
FAULTS = click.option(
    "--faults",
    "max_faults",
    default=1,
    show_default=True,
    type=click.IntRange(0, 3),
    help="Faults per case.",
)
OUT = click.option(
    "--out",
    default=DEFAULT_OUT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the verdict and the reports go.",
)


def subject_options(command: Command) -> Command:
    """Add the options that name a subject and a server."""
    return _with(command, (*_SUBJECT, _SERVER, _LATENCY_BOUND))


def matrix_options(command: Command) -> Command:
    """Add the options that name a subject and any number of servers."""
    return _with(command, (*_SUBJECT, _SERVERS, _LATENCY_BOUND))


def _with(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def fleet_options(command: Command) -> Command:
    """Add the options that name the other version of a mixed fleet."""
    return _with(command, _BESIDE)


def subject_from(values: dict[str, Any]) -> SubjectSpec:
    """Return the subject, with the one beside it if there is one, from a command's values. Raises UsageError."""
    paths, environment = tuple(values["paths"]), tuple(values["environment"])
    other, other_environment = values.get("beside"), tuple(values.get("beside_environment") or ())
    beside = None
    if other or other_environment:
        beside = parse_subject(
            other or values["subject"],
            paths,
            values["python"],
            (*environment, *other_environment),
            values["patience_s"],
        )
    return parse_subject(
        values["subject"], paths, values["python"], environment, values["patience_s"], beside
    )


def server_from(values: dict[str, Any]) -> ServerSpec:
    """Return the server from a command's values. Raises UsageError."""
    return parse_server_spec(values["server"])


def servers_from(values: dict[str, Any]) -> tuple[ServerSpec, ...]:
    """Return the servers from a command's values, the embedded one if none is named. Raises UsageError."""
    return tuple(map(parse_server_spec, values["servers"])) or (ServerSpec(),)
