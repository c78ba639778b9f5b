"""Options that several commands share, and the values that the scenarios take for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.servers.opening import AUTO, STEPPED, WALL, ServerSpec, parse_server_spec
from midpipe.reports.cli.configuring import configuration_of
from midpipe.scenarios.gate.cores import available_cores
from midpipe.scenarios.model.shard import Shard, parse_shard
from midpipe.scenarios.model.spec import (
    DEFAULT_PATIENCE_S,
    REFERENCE,
    SubjectSpec,
    parse_subject,
)
from midpipe.scenarios.subjects.environments import installed, subject_of

Command = TypeVar("Command", bound=Callable[..., Any])
# Generic for the type checker only: click before 8.5, which is allowed, can't subscript it.
if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType
DEFAULT_OUT = ".midpipe"
MOST_JOBS = 64
EXAMPLES = "examples"
"""Folder in --out that keeps the failing examples of fuzzing, shared by the gate and fuzz."""
CORPUS = click.option(
    "--corpus",
    default="",
    metavar="WHERE",
    help="Share what fuzzing finds and covers with other workers and later runs: a directory, redis://host:port/db, or "
    "a URL that fsspec knows, as s3://bucket/folder.",
)
VERDICT_FILE = click.argument(
    "verdict_file",
    default=f"{DEFAULT_OUT}/verdict.json",
    type=click.Path(dir_okay=False, path_type=Path),
)
OWN_PROGRAMS = click.option(
    "--programs",
    "own_files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="A Python file with programs and invariants of your own; may be repeated.",
)
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(ParamType):
    """A duration in seconds, or with a unit: ``90``, ``90s``, ``10m``, ``2h``.

    Args:
        least_s: the shortest allowed, in seconds.
    """

    name = "duration"
    PATTERN = r"^[0-9.]+(e[0-9]+)?[smh]?$"

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the duration in seconds."""
        value = str(value)
        number, unit = (value[:-1], value[-1]) if value[-1:] in _UNITS_S else (value, "s")
        try:
            seconds = float(number) * _UNITS_S[unit]
        except ValueError:
            self.fail(f"{value!r} is not a duration; write 90, 90s, 10m or 2h.", param, ctx)
        if not self._least_s <= seconds < float("inf"):
            self.fail(f"{value!r} is too short; {self._least_s:g}s is the least.", param, ctx)
        return seconds


class ShardNumber(ParamType):
    """One of several parts of a run: ``2/3`` is the second of three."""

    name = "shard"
    PATTERN = r"^[0-9]+/[0-9]+$"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shard:
        """Return the shard."""
        try:
            return value if isinstance(value, Shard) else parse_shard(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)


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
        "--queue",
        default=None,
        metavar="NAME[==VERSION]",
        help="A released library instead of --subject: rq, celery, bullmq, … (see midpipe queues). That release is "
        "installed into an environment of its own, kept in a cache.",
    ),
    click.option(
        "--path",
        "paths",
        multiple=True,
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        help="A directory for the subject's import path; may be repeated.",
    ),
    click.option(
        "--python",
        default=sys.executable,
        show_default="this one",
        metavar="FILE",
        type=click.Path(executable=True),
        help="The Python interpreter that hosts the subject.",
    ),
    click.option(
        "--env",
        "environment",
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable for the subject's environment, such as a feature flag; may be repeated.",
    ),
    click.option(
        "--background",
        multiple=True,
        metavar="COMMAND",
        help="A command that the subject sends in the background, such as a heartbeat: 'ZADD:workers', or "
        "'EVALSHA:tasks beat'. No fault is injected there, and its order does not matter. May be repeated.",
    ),
    click.option(
        "--patience",
        "patience_s",
        default=f"{DEFAULT_PATIENCE_S:g}s",
        show_default=True,
        metavar="TIME",
        type=Duration(0.1),
        help="How long the subject may take to load, and its constructor to return.",
    ),
)
_WHERE = "embedded, embedded:/path/to/redis-server, docker, docker:image, or the redis://… URL of an empty database."
SERVER = click.option(
    "--redis",
    "server",
    default="embedded",
    show_default=True,
    metavar="WHERE",
    help=f"The server to break: {_WHERE}",
)
CLOCK = click.option(
    "--clock",
    default=AUTO,
    show_default=True,
    type=click.Choice((AUTO, STEPPED, WALL)),
    help="The clock of the embedded server and of the subject: one that midpipe moves from time-out to time-out, so "
    "that waiting takes no time, or the machine's. auto takes the machine's where none can be moved, and says so.",
)
_SERVERS = click.option(
    "--redis",
    "servers",
    multiple=True,
    metavar="WHERE",
    help=f"The server to break: {_WHERE} May be repeated: the subject is judged on each.  "
    "[default: embedded]",
)
_LATENCY_BOUND = click.option(
    "--latency-bound",
    "latency_bound_s",
    default="5s",
    show_default=True,
    metavar="TIME",
    type=Duration(0.1),
    help="How long any call may take, under any fault, unless the subject declares a bound.",
)
_BESIDE = (
    click.option(
        "--beside",
        default=None,
        metavar="MODULE:CLASS",
        help="The other version of a mixed fleet, named as --subject is: for example the code that runs now.",
    ),
    click.option(
        "--beside-env",
        "beside_environment",
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable for the other version only; may be repeated. Without --beside, it has the same code.",
    ),
)
JOBS = click.option(
    "--jobs",
    default=lambda: min(MOST_JOBS, available_cores()),
    show_default="the number of cores",
    type=click.IntRange(1, MOST_JOBS),
    help="Number of processes that run cases, each with a server of its own.",
)
FAIL_ON = click.option(
    "--fail-on",
    default="LOW",
    show_default=True,
    type=click.Choice(["CRITICAL", "HIGH", "MEDIUM", "LOW"]),
    help="The lowest severity that fails the run.",
)
SHARD = click.option(
    "--shard",
    default=Shard(),
    show_default="the whole run",
    metavar="I/N",
    type=ShardNumber(),
    help="Run the I-th of N parts of the run, each on a machine of its own; 'midpipe merge' makes one verdict of them.",
)
TIME_BUDGET = click.option(
    "--time-budget",
    "time_budget_s",
    default=None,
    metavar="TIME",
    type=Duration(1.0),
    help="How long the run may take, stories included. What is cut off is reported, and a pass becomes unknown.",
)
FAULTS = click.option(
    "--faults",
    "max_faults",
    default=1,
    show_default=True,
    type=click.IntRange(0, 3),
    help="Number of faults per case, at most.",
)
OUT = click.option(
    "--out",
    metavar="DIR",
    default=DEFAULT_OUT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the verdict and the reports go. The gate's go into DIR, those of any other command into DIR/COMMAND.",
)

_VERBOSE = "midpipe.verbose"


def _keep_verbose(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.meta[_VERBOSE] = value


VERBOSE = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_keep_verbose,
    help="Show every finding with its story, and the tables of what was judged.",
)


def is_verbose() -> bool:
    """Whether the command that is running was called with ``--verbose``."""
    ctx = click.get_current_context(silent=True)
    return bool(ctx and ctx.meta.get(_VERBOSE))


def subject_options(command: Command) -> Command:
    """Add the options that name a subject and a server."""
    return _with(command, (*_SUBJECT, SERVER, _LATENCY_BOUND))


def case_options(command: Command) -> Command:
    """Add the options that name a subject, a server, and the clock that both read in a case."""
    return _with(command, (*_SUBJECT, SERVER, CLOCK, _LATENCY_BOUND))


def matrix_options(command: Command) -> Command:
    """Add the options that name a subject and any number of servers."""
    return _with(command, (*_SUBJECT, _SERVERS, CLOCK, _LATENCY_BOUND))


def _with(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def fleet_options(command: Command) -> Command:
    """Add the options that name the other version of a mixed fleet."""
    return _with(command, _BESIDE)


def subject_from(values: dict[str, Any]) -> SubjectSpec:
    """Return the subject that a command's options name, with the one beside it if there is one.

    Of a subject and a library, the one on the command line counts more than a configured one. The configured promises
    are for the configured subject; they don't count if the command line names another one.

    Raises:
        UsageError: the subject can't be read, or the command line names two.
    """
    ctx = click.get_current_context(silent=True)
    configured = dict((ctx.default_map if ctx else None) or {})
    paths, environment = tuple(values["paths"]), tuple(values["environment"])
    if _is_given(ctx, "subject") and _is_given(ctx, "queue"):
        raise UsageError(
            "--subject and --queue each name a queue to judge. Leave one of the two out."
        )
    if configured.get("queue") == values.get("queue") and _is_given(ctx, "subject"):
        values = {**values, "queue": None}
    promises = configuration_of(ctx).promises if _is_the_configured(values, configured) else ()
    release = installed(values["queue"]) if values.get("queue") else None
    if release is not None:
        values = {**values, "subject": release.subject, "python": release.python}
    other, other_environment = values.get("beside"), tuple(values.get("beside_environment") or ())
    beside = None
    if other or other_environment:
        beside = parse_subject(
            other or values["subject"],
            paths,
            values["python"],
            environment=(*environment, *other_environment),
            patience_s=values["patience_s"],
        )
        beside = replace(beside, promises=promises)
    subject = parse_subject(
        values["subject"],
        paths,
        values["python"],
        environment=environment,
        patience_s=values["patience_s"],
        beside=beside,
    )
    subject = replace(
        subject,
        promises=promises,
        config=configuration_of(ctx).named,
        background=tuple(values.get("background") or ()),
    )
    return subject_of(release, subject) if release else subject


def _is_given(ctx: click.Context | None, name: str) -> bool:
    """Whether the command line gives the parameter of that name."""
    source = ctx.get_parameter_source(name) if ctx else None
    return source is ParameterSource.COMMANDLINE


def _is_the_configured(values: dict[str, Any], configured: dict[str, Any]) -> bool:
    """Whether the values name the subject that is configured; true if none is."""
    if not {"subject", "queue"} & configured.keys():
        return True
    if values.get("queue"):
        library = str(configured.get("queue", "")).partition("==")[0]
        return str(values["queue"]).partition("==")[0] == library
    if configured.get("queue") or "subject" not in configured:
        return False
    return os.path.normpath(str(values["subject"])) == os.path.normpath(str(configured["subject"]))


def server_from(values: dict[str, Any]) -> ServerSpec:
    """Return the server that a command's options name. Raises UsageError."""
    return _on_clock(parse_server_spec(values["server"]), values)


def servers_from(values: dict[str, Any]) -> tuple[ServerSpec, ...]:
    """Return the servers that a command's options name, the embedded one if there are none. Raises UsageError."""
    specs = tuple(map(parse_server_spec, values["servers"])) or (ServerSpec(),)
    return tuple(_on_clock(spec, values) for spec in specs)


def _on_clock(spec: ServerSpec, values: dict[str, Any]) -> ServerSpec:
    return replace(spec, clock=values.get("clock", AUTO))
