"""What a program requires of a subject. Pure."""

from __future__ import annotations

import re

from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import History, Phase
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.fleets import FLEETS, needs_other_subject
from midpipe.scenarios.programs.program import Program

_WRONG_ARGUMENTS = re.compile(
    r"unexpected keyword argument|missing \d+ required (positional|keyword-only) argument"
)
"""Python's messages for a call with arguments that the method does not take."""


def missing_for(program: Program, subject: SubjectSpec, traits: Traits) -> tuple[str, ...]:
    """Return what a program requires and the subject does not have: calls, schemas, a second subject.

    Args:
        traits: what the subject has.
    """
    missing = sorted(program.methods - traits.methods)
    if program.alternatives and program.alternatives.isdisjoint(traits.methods):
        missing.append(" or ".join(sorted(program.alternatives)))
    if program.delays_jobs and "enqueue" not in missing and not traits.takes("enqueue", "delay_s"):
        missing.append("enqueue with delay_s")
    if needs_other_subject(program):
        missing += [] if subject.beside else ["other subject beside it (--beside)"]
    elif program.name in FLEETS and not traits.new_schema:
        missing.append("second schema behind a flag")
    if program.seed and not traits.white_box:
        missing.append("jobs in the reference queue's keys")
    elif program.removes_old_copy and not traits.reads_new:
        missing.append("migration that leaves jobs in the new schema alone")
    return tuple(missing)


def rejected_call_in(history: History) -> str:
    """Return the call of a run without faults that the subject does not take so; empty if there is none.

    It does not take the arguments, or the method is there and not implemented.
    """
    for call in history:
        # The usual way in which a base class declares a call that its subclass need not have.
        if call.error and call.error.is_a("NotImplementedError"):
            return f"{call.method} (it raised NotImplementedError)"
        if (
            call.error
            and call.error.is_a("TypeError")
            and _WRONG_ARGUMENTS.search(call.error.message)
        ):
            names = ", ".join(call.arguments)
            return f"{call.method}({names}) (it raised TypeError: {call.error.message})"
    return ""


def raised_by_every_call(program: Program, history: History) -> str:
    """Return what the first call raised in a run without faults, if every call raised; empty otherwise.

    A program whose calls must all be refused returns an empty text as well.
    """
    calls = [call for call in history if call.phase is Phase.PROGRAM]
    if program.malformed or not calls or not all(call.error for call in calls):
        return ""
    error = calls[0].error
    return f"{calls[0].method} raises {error.type}: {error.message}" if error else ""


def starts_for(traits: Traits) -> tuple[str, ...]:
    """Return the start states of written programs whose job such a subject can find."""
    return (*(("old",) if traits.white_box else ()), *(("new",) if traits.reads_new else ()))
