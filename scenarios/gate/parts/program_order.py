"""The order in which the programs of a part are begun. Pure; knows no subject and no time."""

from __future__ import annotations

from collections.abc import Mapping

from midpipe.scenarios.programs.program import Program, Version


def simplest_first(programs: Mapping[str, Program]) -> tuple[str, ...]:
    """Return the programs, those with the fewest calls first, and after all kinds of them the variants.

    A variant makes the same calls as a simpler program, with other arguments. If the time is short, one program of each
    kind shows more than every variant of the simplest.
    """
    by_length = sorted(programs, key=lambda name: programs[name].length)
    simplest: dict[frozenset[str], str] = {}
    for name in by_length:
        simplest.setdefault(_calls_of(programs[name]), name)
    return tuple(dict.fromkeys((*simplest.values(), *by_length)))


def by_versions(programs: Mapping[str, Program], *, longest_first: bool) -> tuple[str, ...]:
    """Return the programs, those of the same versions together: no worker has to keep processes of every version.

    Args:
        longest_first: among them, those with the most calls come first, otherwise those with the fewest.
    """
    sign = -1 if longest_first else 1
    first_seen: dict[frozenset[Version], int] = {}
    for program in programs.values():
        first_seen.setdefault(frozenset(program.versions), len(first_seen))

    def place(name: str) -> tuple[int, int]:
        program = programs[name]
        return first_seen[frozenset(program.versions)], sign * program.length

    return tuple(sorted(programs, key=place))


def _calls_of(program: Program) -> frozenset[str]:
    return frozenset(call.method for calls in program.clients.values() for call in calls)
