"""The picture of a story as a value: a lane for each client and one for the server, top to bottom. Pure.

::

          A                   B                                 server
          ●  enqueue(job-1, acme, r-1)                          │
      A1  ├── EXISTS ai:idempotency:acme:r-1 ──────────────────▶│ 0
          │                   ●  enqueue(job-2, acme, r-1)      │
      B1  │                   ├── EXISTS ai:ide ✂ cut-before    │ never runs it

A call begins at ● and ends at ○ if it returned, at ✗ if it raised. An arrow that ends before the server's lane never
reached the server; ✂ marks the fault, and ⏱ one of the clock. If it is known, the line of code that sent the command
stands before it. The server's reply and the changed keys stand beside its lane. A line is not wider than the given
width, except for the sentences about the whole case.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.model.story import (
    KeyChange,
    StepKind,
    Story,
    StoryCall,
    StoryCommand,
    StoryStep,
)

WIDTH = 110
NARROWEST, WIDEST = 80, 160
LEFT = 6
"""Width of the column of positions, in characters."""
OBSERVED = ("✗", "?")
"""What stands to the left of a violation, and of the reason why a case is invalid."""
_IN_A_LANE = (
    StepKind.CALL,
    StepKind.COMMAND,
    StepKind.LATE_COMMAND,
    StepKind.RETURN,
    StepKind.RAISE,
)
_EXECUTED = {"yes": "runs it", "no": "never runs it", "unknown": "not known yet"}
_PLAIN_ARGUMENTS = ("job_id", "workspace_id", "client_request_id", "status", "worker_id")
"""Shown in a lane without their names."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the picture.

    Args:
        tone: ``plain``, ``quiet``, ``bad`` or ``fault``: how a terminal emphasises it.
        left: position in the schedule.
        text: the clients' lanes, always of the same width; or a sentence about the whole case.
        right: the server's lane and what stands beside it.
    """

    tone: str
    left: str
    text: str
    right: str = ""

    def __str__(self) -> str:
        return f"{self.left:<{LEFT}}{self.text}{self.right}".rstrip()


@dataclass(frozen=True, slots=True)
class _Layout:
    """How wide the parts of a line are, in characters.

    Args:
        width: of the whole line.
        lanes: of all clients' lanes together.
        lane: of one lane, with up to two clients and with more.
    """

    width: int
    lanes: int
    lane: tuple[int, int]

    @property
    def beside(self) -> int:
        """The room beside the clients' lanes, the server's lane included."""
        return self.width - LEFT - self.lanes


def _layout(width: int) -> _Layout:
    width = min(max(width, NARROWEST), WIDEST)
    # A reply and a changed key need more of the room than a command does.
    lanes = 46 + (width - NARROWEST) * 8 // 30
    return _Layout(width, lanes, (20, 12) if width >= WIDTH else (14, 9))


def picture(story: Story, width: int = WIDTH) -> tuple[Line, ...]:
    """Return a story's lines; the violations, or that there are none, come last.

    Args:
        width: of a line, in characters; less than NARROWEST is taken for that, and more than WIDEST for that.
    """
    lanes = _Lanes(story, _layout(width))
    lines: list[Line] = []
    has_head = False
    for step in story.steps:
        if step.kind in _IN_A_LANE and not has_head:
            lines.append(lanes.head)
            has_head = True
        lines += lanes.lines(step)
    return (*lines, *_end(story))


def _end(story: Story) -> tuple[Line, ...]:
    if story.violations:
        sentences = (f"{one.invariant}: {one.observed}" for one in story.violations)
        return tuple(Line("bad", "✗", sentence) for sentence in sentences)
    if story.invalid_reason:
        return (Line("bad", "?", f"This case is invalid: {story.invalid_reason}"),)
    return (Line("plain", "✓", "Every invariant holds."),) if story.steps else ()


class _Lanes:
    """Where each client's lane is, and the lines drawn across all lanes."""

    def __init__(self, story: Story, layout: _Layout) -> None:
        self._layout = layout
        clients = sorted({step.client for step in story.steps if step.kind in _IN_A_LANE})
        # An arrow crosses the lanes to its right, so the last lane needs the most room.
        width = layout.lane[len(clients) > 2]
        self._at = {client_id: number * width for number, client_id in enumerate(clients)}
        names = "".join(f"{client_id:<{width}}" for client_id in clients)
        self.head = Line("plain", "", names.ljust(layout.lanes), "server")

    def lines(self, step: StoryStep) -> tuple[Line, ...]:
        """Return the lines of one step."""
        changes = tuple(
            Line("quiet", "", self._drawn(""), f"│  {text}")
            for change in step.changes
            for text in _change(change, self._layout.beside - 3)
        )
        if step.kind not in _IN_A_LANE:
            return (_outside(step, self._layout.width), *changes)
        if step.command is not None:
            is_late = step.kind is StepKind.LATE_COMMAND
            return (*self._command(step.client, step.command, is_late=is_late), *changes)
        if step.kind is StepKind.CALL and step.call is not None:
            return self._call(step.client, step.call)
        if step.error is not None:
            raised = f"✗  raised {step.error.type}: {step.error.message}"
            return (self._line("bad", raised, step.client),)
        return (self._line("plain", f"○  → {step.value}", step.client),)

    def _call(self, client: str, call: StoryCall) -> tuple[Line, ...]:
        again = f"  (attempt {call.attempt})" if call.attempt > 1 else ""
        standby = "  (stand-by worker)" if call.standby else ""
        first = self._line("plain", f"●  {short_call(call)}{again}{standby}", client)
        if not call.version:
            return (first,)
        return (first, self._line("plain", f"│  [{call.version}]", client))

    def _line(self, tone: str, text: str, client: str) -> Line:
        text = self._drawn(cut(text, self._layout.width - LEFT - self._at[client]), client)
        return Line(tone, "", text, "│" if len(text) <= self._layout.lanes else "")

    def _command(self, client: str, command: StoryCommand, *, is_late: bool) -> tuple[Line, ...]:
        room = self._layout.lanes - self._at[client]
        fault = command.fault
        never = command.executed == "no"
        end = f"─ {marked(fault)} " if fault and never else "▶"
        line = self._line_of(command)
        text = line + _command_text(command, room - len(end) - len(line) - 6, is_late=is_late)
        label = f"├── {text} "
        arrow = label + end if fault and never else label.ljust(room - 1, "─") + end
        executed = f"{_EXECUTED.get(command.executed, '')} " if fault else ""
        beside = cut(f"│ {executed}{command.reply}".rstrip(), self._layout.beside)
        tone = "fault" if fault else "plain"
        first = Line(tone, command.position, self._drawn(arrow, client), beside)
        if not fault or never:
            return (first,)
        mark = f"{marked(fault)} ◀─"
        return (first, Line("fault", "", self._drawn("")[: -len(mark)] + mark, "│"))

    def _line_of(self, command: StoryCommand) -> str:
        """Return the line of code that sent a command, without its directory and, if there is little room, its file."""
        sent = command.source.sent if command.source else None
        if sent is None:
            return ""
        file = PurePath(sent.file).name if self._layout.width >= WIDTH else ""
        return f"{file}:{sent.line} "

    def _drawn(self, drawing: str, client: str = "") -> str:
        """Return all lifelines, with something drawn over them from a client's lane on."""
        lifelines = [" "] * self._layout.lanes
        for at in self._at.values():
            lifelines[at] = "│"
        whole, at = "".join(lifelines), self._at.get(client, 0)
        return whole[:at] + drawing + whole[at + len(drawing) :]


def _outside(step: StoryStep, width: int) -> Line:
    """Return the line of a step of midpipe's own or of the server's."""
    if step.kind is StepKind.SEED and step.command is not None:
        left, text = "", f"before the case, midpipe writes {' '.join(step.command.words)}"
    elif step.call is None:
        left, text = "then", step.text
    else:
        version = f"  [{step.call.version}]" if step.call.version else ""
        call = full_call(step.call)
        if step.kind is StepKind.PREPARATION:
            left, text = "", f"before the case: {call}{version}"
        else:
            error = step.error
            result = f"{error.type}: {error.message}" if error else step.value
            left, text = "then", f"{call} → {result}{version}"
    return Line("quiet", left, cut(text, width - LEFT))


def marked(fault: str) -> str:
    """Return a fault's name after its mark: that of a clock if it needs a clock that midpipe moves, else scissors."""
    known = CATALOGUE.get(fault.partition("=")[0])
    return f"{'⏱' if known and known.needs_stepped_clock else '✂'} {fault}"


def full_call(call: StoryCall) -> str:
    """Return a call with the names of its arguments."""
    arguments = ", ".join(f"{each.name}={each.value}" for each in call.arguments)
    return f"{call.method}({arguments})"


def short_call(call: StoryCall) -> str:
    """Return a call as it is shown in a lane: without the names of the arguments that every reader knows."""
    arguments = ", ".join(
        each.value.strip('"') if each.name in _PLAIN_ARGUMENTS else f"{each.name}={each.value}"
        for each in call.arguments
    )
    return f"{call.method}({arguments})"


def _command_text(command: StoryCommand, width: int, *, is_late: bool) -> str:
    """Return a command as typed; of a block that has no room, the names of its commands."""
    late = "delivered late: " if is_late else ""
    if not command.block:
        return cut(late + " ".join(command.words), width)
    typed = "; ".join(" ".join(words) for words in (("MULTI",), *command.block, command.words))
    if len(late + typed) <= width:
        return late + typed
    names = " ".join(words[0] for words in (("MULTI",), *command.block, command.words))
    return cut(late + names, width)


def cut(text: str, width: int) -> str:
    """Return the text, with its end replaced by an ellipsis if it is too long."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def _change(change: KeyChange, room: int) -> tuple[str, ...]:
    before, after = change.before, change.after
    if not before:
        return (cut(f"+ {change.key} = {after}", room),)
    if not after:
        return (cut(f"- {change.key} (was {before})", room),)
    whole = f"~ {change.key}: {before} → {after}"
    if len(whole) <= room:
        return (whole,)
    return (cut(f"~ {change.key}: {before}", room), cut(f"  → {after}", room))
