"""A finding as a pytest file that stands on its own beside the user's tests. It needs midpipe alone."""

from __future__ import annotations

import re

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.model.spec import DEFAULT_ENVIRONMENT, SubjectSpec

_TEMPLATE = '''"""A case of midpipe as a test. It fails as long as the queue violates an invariant in this case.

Run it from the directory in which midpipe was run: the paths in it are relative to that.
"""

from midpipe import Session


def test_{name}():
    with Session({subject}) as session:
        case = session.run({program!r}, {schedule!r})
    assert case.is_valid, case.invalid_reason
    seen = [evidence.seen for violation in case.violations for evidence in violation.evidence]
    assert seen == []
'''


def as_test(replay: str, subject: SubjectSpec) -> str:
    """Return the text of the file.

    Args:
        replay: the argument of ``midpipe replay``.

    Raises:
        UsageError: the line can't be read; or the subject runs under an interpreter of its own, or beside another one.
    """
    if subject.requirement or subject.beside or subject.python != SubjectSpec().python:
        raise UsageError(
            "A test can't be written for a subject with --queue, --python or --beside. Keep the replay line instead."
        )
    program, _ = parse_replay_string(replay, CATALOGUE)
    schedule = replay.removeprefix(program).lstrip(": ")
    arguments = [repr(subject.text)]
    if subject.paths:
        arguments.append(f"paths={list(subject.paths)!r}")
    environment = {
        name: value
        for name, value in subject.environment
        if (name, value) not in DEFAULT_ENVIRONMENT
    }
    if environment:
        arguments.append(f"environment={environment!r}")
    return _TEMPLATE.format(
        name=re.sub(r"\W+", "_", replay).strip("_").lower(),
        subject=", ".join(arguments),
        program=program,
        schedule=schedule,
    )
