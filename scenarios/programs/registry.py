"""All programs by name: of one client, of several clients, and of a mixed fleet."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.programs.fleets import FLEETS
from midpipe.scenarios.programs.own import PREFIX as OWN_PREFIX
from midpipe.scenarios.programs.own import own_programs, program_in_file
from midpipe.scenarios.programs.pairs import PAIRS
from midpipe.scenarios.programs.program import ITSELF, Program
from midpipe.scenarios.programs.single import SINGLE
from midpipe.scenarios.programs.workers import WORK, WORK_PAIRS
from midpipe.scenarios.programs.written import PREFIX, program_from

SUITES: Mapping[str, Mapping[str, Program]] = MappingProxyType(
    {"sweep": {**WORK, **SINGLE}, "interleave": {**WORK_PAIRS, **PAIRS}, "fleet": FLEETS}
)
PROGRAMS: Mapping[str, Program] = MappingProxyType(
    {name: program for suite in SUITES.values() for name, program in suite.items()}
)


def program_named(name: str | Program) -> Program:
    """Return a program by its name; a program is returned as it is.

    Args:
        name: of one of midpipe's programs, or the text of a written program, or of one in a user's file.

    Raises:
        UsageError: there is no such program, or the file can't be loaded; suggests a name.
    """
    if isinstance(name, Program):
        return name
    if name.startswith(PREFIX):
        return program_from(name)
    if name.startswith(OWN_PREFIX):
        return program_in_file(name)
    if name not in PROGRAMS:
        raise _no_program(name, PROGRAMS)
    return PROGRAMS[name]


def chosen_programs(names: Sequence[str], files: Sequence[str]) -> tuple[str, ...]:
    """Return the full names of the programs that a user chose; none if every program is to run.

    Args:
        names: as ``program_named`` takes them, or the plain name of a program in one of the files.
        files: Python files with programs of the user's own.

    Raises:
        UsageError: there is no such program, or a file can't be loaded.
    """
    own = {name: program for file in files for name, program in own_programs(file).items()}
    known = {**PROGRAMS, **own}
    for name in names:
        if "(" not in name and name not in known:
            raise _no_program(name, known)
    return tuple((own.get(name) or program_named(name)).name for name in names)


def programs_of(suite: str, chosen: Sequence[str], files: Sequence[str]) -> Mapping[str, Program]:
    """Return the programs of a suite that are to run, by their full names.

    Args:
        suite: a name in SUITES. A program that is in no suite belongs to one by the number of its clients.
        chosen: full names of programs; empty chooses all, those in the files included.
        files: Python files with programs of the user's own.
    """
    others = [program_named(name) for name in chosen if name not in PROGRAMS]
    if not chosen:
        others = [program for file in files for program in own_programs(file).values()]
    registered = {
        name: program for name, program in SUITES[suite].items() if not chosen or name in chosen
    }
    return registered | {each.name: each for each in others if _suite_of(each) == suite}


def run_by_others(parts: Collection[str], chosen: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each suite of which programs were chosen and which the run does not have.

    Args:
        parts: what the run has.
        chosen: full names of programs.
    """
    if not SUITES.keys() & set(parts):
        return
    suites = {name: _suite_of(program_named(name)) for name in chosen}
    run = " and ".join(suite for suite in SUITES if suite in parts)
    for suite in SUITES:
        names = [name for name, its in suites.items() if its == suite and suite not in parts]
        if names:
            yield f"Not run here, as {run} has no such programs: {', '.join(names)}. midpipe {suite} runs them."


def _no_program(name: str, known: Collection[str]) -> UsageError:
    """Return the error that suggests the nearest names; there are too many programs to list."""
    if nearest := difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75):
        return UsageError(f"There is no program {name!r}. Did you mean {nearest[0]!r}?")
    *more, last = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.0)
    meant = f"Did you mean {', '.join(map(repr, more))} or {last!r}?"
    where = "docs/programs.md lists all of them."
    return UsageError(f"There is no program {name!r}. {meant} {where}")


def _suite_of(program: Program) -> str:
    if len(program.versions) > 1 or ITSELF not in program.versions:
        return "fleet"
    return "sweep" if len(program.clients) == 1 else "interleave"
