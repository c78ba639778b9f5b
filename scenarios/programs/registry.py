"""All programs by name: of one client, of several clients, and of a mixed fleet."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.programs.fleets import FLEETS
from midpipe.scenarios.programs.pairs import PAIRS
from midpipe.scenarios.programs.program import Program
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
    """Return a program by its name, or a written program by its text; a program is returned as it is.

    Raises:
        UsageError: there is no such program; suggests a name.
    """
    if isinstance(name, Program):
        return name
    if name.startswith(PREFIX):
        return program_from(name)
    if name not in PROGRAMS:
        raise UsageError(f"There is no program {name!r}.{did_you_mean(name, PROGRAMS)}")
    return PROGRAMS[name]
