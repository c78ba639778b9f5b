"""The text form of a case: ``enqueue: A4:RPUSH!lost-reply``.

A schedule lists the steps that matter. All other events pass in the default order: the client whose event went last
goes on, otherwise the first client by id. So the empty schedule is the run without faults. A step may name the command
that it expects; a replay on changed code then reports that the step cannot be placed, instead of breaking another
command.

A step names its event by its number among the client's commands, or by a label: what is sent, and which of the
commands that send it (see ``wire.labels``). Sweeps print numbers for a client that sends the same commands in the same
order each time, because a number also says when; for any other client they print labels. Both replay.

::

    case     = program ":" { step }          a program is a name, or written out: written(A enqueue job-1, B claim)
    step     = ( client ["s"] ordinal ["." inside] [":" command] | label ) ["!" fault ["=" number]]
    label    = client ["/" operation ["/" attempt]] ":" command ["(" script ")"] [":" key] "#" occurrence
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from midpipe.faultinject.decide.ledger import NO_FAULT
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.vocabulary import FaultRef, Label, Place, Position, WireEvent

_STEP = re.compile(
    r"(?P<client>[A-Z])(?P<setup>s?)(?P<ordinal>[1-9]\d{0,5})(?:\.(?P<inside>[1-9]\d{0,5}))?"
    r"(?::(?P<command>[A-Za-z][A-Za-z0-9._|-]*))?"
    r"(?:!(?P<fault>[a-z][a-z-]*)(?:=(?P<parameter>\d{1,9}))?)?"
)
_LABELLED_STEP = re.compile(
    r"(?P<client>[A-Z])(?:/(?P<operation>[1-9]\d{0,5})(?:/(?P<attempt>[1-9]\d{0,5}))?)?"
    r":(?P<command>[A-Za-z0-9._|-]+)(?P<script>\([^()\s]*\))?(?::(?P<key>[^\s#!]+))?"
    r"#(?P<occurrence>[1-9]\d{0,5})(?:!(?P<fault>[a-z][a-z-]*)(?:=(?P<parameter>\d{1,9}))?)?"
)
_PROGRAM = re.compile(r"[a-z][a-z0-9-]*(\([^:()]*\))?")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a schedule: an event, by position or label, and the fault placed at it, if any."""

    position: Place
    command: str = ""
    fault: FaultRef | None = None

    def __str__(self) -> str:
        command = f":{self.command}" if self.command else ""
        fault = f"!{self.fault}" if self.fault else ""
        return f"{self.position}{command}{fault}"


def command_at(step: PlannedStep) -> str:
    """Return the command that a step expects, with its key if it names one; empty if it expects none."""
    place = step.position
    return f"{place.command} {place.key}".rstrip() if isinstance(place, Label) else step.command


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps that matter, in order."""

    steps: tuple[PlannedStep, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(step) for step in self.steps)

    @property
    def faults(self) -> tuple[PlannedStep, ...]:
        return tuple(step for step in self.steps if step.fault)

    @property
    def placed(self) -> tuple[tuple[str, FaultRef], ...]:
        """Every fault, as pairs of client id and fault."""
        return tuple((step.position.client, step.fault) for step in self.steps if step.fault)


def planned(event: WireEvent, fault: FaultRef | None, *, by_label: bool = False) -> PlannedStep:
    """Return the step of an event. With a fault it also names the command, which a replay expects there.

    Args:
        by_label: name the event by its label, if it has one.
    """
    if by_label and event.label is not None:
        return PlannedStep(event.label, fault=fault)
    return PlannedStep(event.position, event.name if fault else "", fault)


def fault_label(schedule: Schedule) -> str:
    """Return the names of a schedule's faults, joined by ``+``, or ``none``."""
    return "+".join(str(step.fault) for step in schedule.faults) or NO_FAULT


def place_of(schedule: Schedule) -> str:
    """Return where a schedule's only fault is injected (``A2:HSET``), or an empty string if it has none or several."""
    if len(schedule.faults) != 1:
        return ""
    return str(replace(schedule.faults[0], fault=None))


def replay_string(program: str, schedule: Schedule) -> str:
    """Return the line that identifies a case and replays it."""
    return f"{program}: {schedule}".rstrip()


def parse_replay_string(text: str, faults: Collection[str]) -> tuple[str, Schedule]:
    """Read ``program: steps`` and return the program's name and the schedule.

    Args:
        text: the line, as printed with a finding.
        faults: names of the faults that exist.

    Raises:
        UsageError: the line is malformed, or names an unknown fault; the message suggests the nearest one.
    """
    program, colon, rest = text.strip().partition(":")
    if not colon or not _PROGRAM.fullmatch(program):
        raise UsageError(
            f"{text!r} is not a schedule. A schedule is 'program: steps', for example 'enqueue: A2!lost-reply'."
        )
    return program, parse_schedule(rest, faults)


def parse_schedule(text: str, faults: Collection[str]) -> Schedule:
    """Read the steps of a schedule, separated by spaces. Raises UsageError as parse_replay_string does."""
    return Schedule(tuple(_parse_step(word, faults) for word in text.split()))


def _parse_step(word: str, faults: Collection[str]) -> PlannedStep:
    match = _STEP.fullmatch(word) or _LABELLED_STEP.fullmatch(word)
    if match is None:
        raise UsageError(
            f"{word!r} is not a step. A step is a client's id and the number of its command, or what it sends, and a "
            "fault if one is placed there: A2, A2:RPUSH, A2!lost-reply, A3.2!cut-before, A:RPUSH:jobs#1!lost-reply."
        )
    name = match["fault"]
    if name is not None and name not in faults:
        raise UsageError(f"There is no fault {name!r} (in {word!r}).{did_you_mean(name, faults)}")
    parameter = int(match["parameter"]) if match["parameter"] else None
    fault = FaultRef(name, parameter) if name else None
    if match.re is _LABELLED_STEP:
        return PlannedStep(_label(match), fault=fault)
    position = Position(
        match["client"], int(match["ordinal"]), int(match["inside"] or 0), bool(match["setup"])
    )
    return PlannedStep(position, (match["command"] or "").upper(), fault)


def _label(match: re.Match[str]) -> Label:
    return Label(
        match["client"],
        match["command"].upper() + (match["script"] or ""),
        match["key"] or "",
        occurrence=int(match["occurrence"]),
        operation=int(match["operation"] or 1),
        attempt=int(match["attempt"] or 1),
    )


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return `` Did you mean …?`` with the nearest known word, or the list of all known words."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f" Did you mean {near[0]!r}?"
    return f" Known: {', '.join(sorted(known))}."
