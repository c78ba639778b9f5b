"""midpipe init: writes an adapter for a team's own queue and [tool.midpipe], and runs the programs without faults."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import click
from rich.console import Console

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.reports.cli.invocation import safe_text
from midpipe.reports.explain import promises_text
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.writing import OutputError, write_file
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import PromiseRow
from midpipe.scenarios.subjects.adapting import Plan, adapter_text
from midpipe.scenarios.subjects.roles import ROLES, inferred_promises, missing_roles, roles_of
from midpipe.scenarios.subjects.signatures import ClassSignature, read_class

_PROGRAMS = ("work", "enqueue-then-work", "work-twice", "idle-then-work")
_BOUND_MS = 10_000.0
_TABLE = re.compile(r"^\[tool\.midpipe[\].]", re.MULTILINE)


@click.command(short_help="Write an adapter and [tool.midpipe] for your own queue.")
@click.argument("target", metavar="FILE.PY:CLASS", required=False)
@click.option(
    "--queue", metavar="NAME[==VERSION]", help="A released library (midpipe queues) instead."
)
@click.option(
    "--call",
    "calls",
    multiple=True,
    metavar="PART=METHOD",
    help=f"Which method is which part, where the name does not show it: {', '.join(ROLES)}. May be repeated.",
)
@click.option(
    "--promise",
    "promises",
    multiple=True,
    metavar="NAME=VALUE",
    help="A promise of the queue, instead of the one that its calls suggest. May be repeated.",
)
@click.option(
    "--adapter",
    default=Path("midpipe_queue.py"),
    show_default=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The adapter to write.",
)
@click.option("--force", is_flag=True, help="Replace an adapter that is there.")
@click.option(
    "--python",
    default=sys.executable,
    show_default="this one",
    metavar="FILE",
    help="The Python interpreter that has what the queue imports.",
)
@click.pass_context
def init(ctx: click.Context, /, target: str | None, queue: str | None, **values: Any) -> None:
    """Write an adapter for your queue and [tool.midpipe], then run it without faults and show what was seen.

    \b
    midpipe init shop/jobs.py:JobQueue
    midpipe init shop/jobs.py:JobQueue --call pop=next_job --promise order=fifo
    midpipe init --queue rq

    The class is read, not imported. Its methods are recognised by their names (push, pop, ack, …).
    """
    console = results()
    if queue and not target:
        _configure(console, f'queue = "{queue}"')
        say(console, "Next: midpipe gate")
        return
    file, _, name = (target or "").rpartition(":")
    if not file.endswith(".py") or not name:
        raise UsageError(
            "Name your queue's class, as in midpipe init shop/jobs.py:JobQueue, or a library with --queue."
        )
    plan = _planned(Path(file), name, values)
    adapter: Path = values["adapter"]
    if adapter.exists() and not values["force"]:
        raise UsageError(f"{adapter} is there already. Name another file, or give --force.")
    write_file(adapter, adapter_text(plan), "--adapter")
    parts = ", ".join(f"{role} is {method.name}" for role, method in plan.roles.items())
    say(console, f"{adapter} adapts {plan.kind.name}: {parts}.")
    _configure(console, f'subject = "{adapter}:Queue"')
    ctx.exit(_run(SubjectSpec(f"{adapter}:Queue", python=values["python"]), adapter, console))


def _planned(file: Path, name: str, values: Mapping[str, Any]) -> Plan:
    kind = read_class(file, name)
    given = dict(_pairs(values["calls"], "--call enqueue=METHOD"))
    roles = roles_of(kind, given)
    for role in missing_roles(roles):
        given[role] = _asked(kind, role)
        roles = roles_of(kind, given)
    promises = {
        **inferred_promises(roles),
        **{known: _number(value) for known, value in _pairs(values["promises"], "--promise N=V")},
    }
    declared(promises)
    return Plan(_module(file), kind, roles, promises)


def _asked(kind: ClassSignature, role: str) -> str:
    """Return the method that the user names for a part. Raises UsageError where there is no terminal to ask on."""
    methods = ", ".join(kind.methods) or "none"
    if sys.stdin.isatty():
        return str(click.prompt(f"Which method of {kind.name} is {role}? It has {methods}"))
    raise UsageError(
        f"No method of {kind.name} looks like {role}. Say which one it is with --call {role}=METHOD; it has: {methods}."
    )


def _pairs(words: tuple[str, ...], form: str) -> Iterator[tuple[str, str]]:
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{word!r} has no value; write {form}.")
        yield name, value


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _module(file: Path) -> str:
    """Return the name by which the adapter imports the file; midpipe puts the working directory on its path."""
    try:
        inside = file.resolve().relative_to(Path.cwd())
    except ValueError:
        raise UsageError(
            f"{file} is outside of the working directory. Run midpipe init in your project."
        ) from None
    parts = inside.with_suffix("").parts
    if not all(part.isidentifier() for part in parts):
        raise UsageError(f"{file} can't be imported: its path is no Python name.")
    return ".".join(parts)


def _configure(console: Console, line: str) -> None:
    """Write [tool.midpipe] into pyproject.toml, unless it has that table already."""
    path = Path("pyproject.toml")
    before = path.read_text("utf-8") if path.exists() else ""
    if _TABLE.search(before):
        say(console, f"{path} has [tool.midpipe] already; put this into it: {line}")
        return
    gap = "\n" if before and not before.endswith("\n\n") else ""
    try:
        path.write_text(f"{before}{gap}[tool.midpipe]\n{line}\n", "utf-8")
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}.") from None
    say(console, f"{path} has [tool.midpipe] with {line}")


def _run(subject: SubjectSpec, adapter: Path, console: Console) -> int:
    """Run the programs without faults and show what was seen; return the exit code."""
    worker = Worker(ServerSpec())
    try:
        runs = [replay_case(worker, subject, f"{name}:", _BOUND_MS).record for name in _PROGRAMS]
    finally:
        worker.close()
    safe = safe_text()
    for run in runs:
        say(console, safe(f"{run.program:<18} {_seen(run)}"))
    shown = f"{'promises':<18} {promises_text(_promises(runs[0]))}."
    say(console, fill(safe(shown), console.width, subsequent_indent=" " * 19))
    wrong = [run for run in runs if not run.is_valid or run.violations]
    for run in wrong:
        reasons = [violation.evidence[0].seen for violation in run.violations]
        say(console, safe(f"{run.program}: {' '.join(reasons) or run.invalid_reason}"), "red")
    if wrong:
        say(console, f"Without any fault this should not be. Check {adapter}.", "bold")
        return 1
    say(
        console,
        "Without faults all is well. Edit the promises if they are not yours. Next: midpipe gate",
    )
    return 0


def _promises(run: CaseRecord) -> tuple[PromiseRow, ...]:
    return tuple(
        PromiseRow(name, value, str(known)) for name, value, known in run.traits.promises.rows()
    )


def _seen(run: CaseRecord) -> str:
    """Return the commands of a run, each once, and what ran."""
    indices = [step.event.index for step in run.steps]
    commands = dict.fromkeys(f"{index.name} {index.key_pattern}".strip() for index in indices)
    ended = ", ".join(execution.job_id for execution in run.executions if execution.has_ended)
    return f"{', '.join(commands) or 'no command'}; ran {ended or 'no job'}"
