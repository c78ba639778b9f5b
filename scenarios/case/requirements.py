"""What a program needs that a subject may lack; pure."""

from __future__ import annotations

import re

from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import History
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.fleets import FLEETS, needs_other_subject
from midpipe.scenarios.programs.program import Program

_MISFIT = re.compile(
    r"unexpected keyword argument|missing \d+ required (positional|keyword-only) argument"
)
"""What Python says of a call that does not fit."""


def missing_for(program: Program, subject: SubjectSpec, traits: Traits) -> tuple[str, ...]:
    """Return what a subject lacks to run a program: calls, schemas that its start is laid in, a second subject."""
    missing = sorted(program.methods - traits.methods)
    if needs_other_subject(program):
        missing += [] if subject.beside else ["other subject beside it (--beside)"]
    elif program.name in FLEETS and not traits.new_schema:
        missing.append("second schema behind a flag")
    if program.seed and not traits.white_box:
        missing.append("jobs in the review's keys")
    elif program.removes_old_copy and not traits.reads_new:
        missing.append("reads of the new schema alone")
    return tuple(missing)


def misfit_in(history: History) -> str:
    """Return a call of a run without faults that the subject does not take as it was made; empty if there is none."""
    for call in history:
        if call.error and call.error.is_a("TypeError") and _MISFIT.search(call.error.message):
            names = ", ".join(call.arguments)
            return f"{call.method}({names}) (it raised TypeError: {call.error.message})"
    return ""


def starts_for(traits: Traits) -> tuple[str, ...]:
    """Return the starts of written programs whose job such a subject can know."""
    return (*(("old",) if traits.white_box else ()), *(("new",) if traits.reads_new else ()))
