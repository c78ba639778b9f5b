"""Programs from a user's own Python file, named so that a replay line finds them again: ``file(checks.py burst)``."""

from __future__ import annotations

import re
from dataclasses import replace

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.own_file import values_in
from midpipe.scenarios.programs.program import Program

PREFIX = "file("
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TEXT = re.compile(r"file\((?P<file>[^:()]+) (?P<name>[a-z][a-z0-9-]*)\)")


def own_programs(file: str) -> dict[str, Program]:
    """Return the programs of a user's file by the names that they have in it; as programs they are named with the file.

    Raises:
        UsageError: the file can't be loaded or named in a replay line, two of its programs have one name, a name does
            not consist of words joined by hyphens, or a client is not named by a capital letter.
    """
    found: dict[str, Program] = {}
    for program in values_in(file, Program):
        if program.name in found:
            raise UsageError(f"{file!r} has two programs {program.name!r}. Rename one of them.")
        text = f"{PREFIX}{file} {program.name})"
        if not _TEXT.fullmatch(text):
            what = "path" if _NAME.fullmatch(program.name) else f"program {program.name!r}"
            raise UsageError(
                f"{file!r}: the {what} can't stand in a replay line. The path must be without colons and "
                "parentheses, a name is lower-case words joined by hyphens."
            )
        if odd := [client for client in program.clients if not re.fullmatch("[A-Z]", client)]:
            raise UsageError(
                f"{file!r}: the clients of {program.name!r} are named A, B, …; got {odd[0]!r}."
            )
        found[program.name] = replace(program, name=text)
    return found


def program_in_file(text: str) -> Program:
    """Return the program that ``file(PATH NAME)`` names. Raises UsageError."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a program. Write file(PATH NAME), as in a replay line.")
    programs = own_programs(match["file"])
    if match["name"] not in programs:
        hint = did_you_mean(match["name"], programs) if programs else ""
        raise UsageError(f"{match['file']!r} has no program {match['name']!r}.{hint}")
    return programs[match["name"]]
