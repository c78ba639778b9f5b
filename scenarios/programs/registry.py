"""All programs by name: of one client, of several clients, and of a mixed fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from midpipe.faultinject.decide.schedule import did_you_mean
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
        raise UsageError(f"There is no program {name!r}.{did_you_mean(name, PROGRAMS)}")
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
            raise UsageError(f"There is no program {name!r}.{did_you_mean(name, known)}")
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


def _suite_of(program: Program) -> str:
    if len(program.versions) > 1 or ITSELF not in program.versions:
        return "fleet"
    return "sweep" if len(program.clients) == 1 else "interleave"
