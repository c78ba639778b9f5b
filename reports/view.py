"""The picture of a story as a value: a lane for each client and one for the server, top to bottom. Pure.

::

          A                   B                                 server
          ●  enqueue(job-1, acme, r-1)                          │
      A1  ├── EXISTS ai:idempotency:acme:r-1 ──────────────────▶│ 0
          │                   ●  enqueue(job-2, acme, r-1)      │
      B1  │                   ├── EXISTS ai:ide ✂ cut-before    │ never runs it

A call begins at ● and ends at ○, or at ✗ if it raised. An arrow that ends before the server's lane never reached it; ✂
marks the fault. What the server answered and what a step changed stand beside its lane. A line is at most WIDTH
characters wide, but for the sentences about a whole case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from midpipe.scenarios.model.verdict import KeyChange, Story, StoryStep

WIDTH = 110
LEFT = 6
"""Width of the column of positions, in characters."""
_LANES = 54
"""Width of all clients' lanes together."""
_APART = (20, 12)
"""From lane to lane: of two clients, of more."""
_SHARED = "R"
"""midpipe's own client, which needs no lane."""
_IN_A_LANE = ("call", "command", "answer", "raise")
_RAN = {"yes": "runs it", "no": "never runs it", "unknown": "not known yet"}
_SHORTER = (
    (re.compile(r'\b(?:job_id|workspace_id|client_request_id|status|worker_id)="([^"]*)"'), r"\1"),
    (re.compile(r"'\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d\.\d{3})[^']*'"), r"\1"),
    (re.compile(r", … \d+ fields"), ""),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the picture.

    Args:
        tone: ``plain``, ``quiet``, ``bad`` or ``fault``; how loud it is.
        left: position on the wire.
        text: the clients' lanes, always of the same width; or a sentence about the whole case.
        right: the server's lane and what stands beside it.
    """

    tone: str
    left: str
    text: str
    right: str = ""

    def __str__(self) -> str:
        return f"{self.left:<{LEFT}}{self.text}{self.right}".rstrip()


def picture(story: Story) -> tuple[Line, ...]:
    """Return a story's lines, the verdict's sentences last."""
    lanes = _Lanes(story)
    lines: list[Line] = []
    for step in story.steps:
        if step.kind in _IN_A_LANE and step.client in lanes.client_ids and lanes.head not in lines:
            lines.append(lanes.head)
        lines += lanes.lines(step)
    holds = story.verdict == ("Every invariant holds.",)
    lines += [
        Line("plain" if holds else "bad", "✓" if holds else "✗", text) for text in story.verdict
    ]
    return tuple(lines)


class _Lanes:
    """Where each client's lane stands, and the lines drawn over all of them."""

    def __init__(self, story: Story) -> None:
        taking_part = {step.client for step in story.steps if step.kind in _IN_A_LANE}
        self.client_ids = sorted(taking_part - {_SHARED})
        # An arrow crosses the lanes to its right, so the last lane needs the most room.
        width = _APART[len(self.client_ids) > 2]
        self._at = {client_id: number * width for number, client_id in enumerate(self.client_ids)}
        names = "".join(f"{client_id:<{width}}" for client_id in self.client_ids)
        self.head = Line("plain", "", names.ljust(_LANES), "server")

    def lines(self, step: StoryStep) -> tuple[Line, ...]:
        """Return the lines of one step."""
        changes = tuple(
            Line("quiet", "", self._drawn(""), f"│  {text}")
            for change in step.changes
            for text in _changed(change)
        )
        if step.client not in self._at:
            # Nobody's lane: before the case, after it, or the server's own affair.
            when = "then" if step.kind == "recovery" else ""
            return (Line("quiet", when, cut(step.text, WIDTH - LEFT)), *changes)
        if step.kind == "command":
            return (*self._command(step), *changes)
        if step.kind == "call":
            call, _, version = _short(step.text).partition("  [")
            under = (self._said("plain", f"│  [{version}", step.client),) if version else ()
            return (self._said("plain", f"●  {call}", step.client), *under)
        if step.kind == "raise":
            raised = step.text[step.text.find("raised ") :]
            return (self._said("bad", f"✗  {raised}", step.client),)
        answer = step.text.partition(" → ")[2] or step.text
        return (self._said("plain", f"○  → {_short(answer)}", step.client),)

    def _said(self, tone: str, text: str, client: str) -> Line:
        text = self._drawn(cut(text, WIDTH - LEFT - self._at[client]), client)
        return Line(tone, "", text, "│" if len(text) <= _LANES else "")

    def _command(self, step: StoryStep) -> tuple[Line, ...]:
        room = _LANES - self._at[step.client]
        never = step.executed == "no"
        end = f"─ ✂ {step.fault} " if step.fault and never else "▶"
        label = f"├── {cut(_block(step.text, room - len(end) - 6), room - len(end) - 6)} "
        arrow = label + end if step.fault and never else label.ljust(room - 1, "─") + end
        reply = f"{_RAN.get(step.executed, '')} {_short(step.reply)}" if step.fault else step.reply
        told = cut(f"│ {_short(reply)}".rstrip(), WIDTH - LEFT - _LANES)
        tone = "fault" if step.fault else "plain"
        first = Line(tone, step.position, self._drawn(arrow, step.client), told)
        if not step.fault or never:
            return (first,)
        mark = f"✂ {step.fault} ◀─"
        return (first, Line("fault", "", self._drawn("")[: -len(mark)] + mark, "│"))

    def _drawn(self, drawing: str, client: str = "") -> str:
        """Return all lanes' lifelines, with something drawn over them from a client's lane on."""
        lifelines = [" "] * _LANES
        for at in self._at.values():
            lifelines[at] = "│"
        whole, at = "".join(lifelines), self._at.get(client, 0)
        return whole[:at] + drawing + whole[at + len(drawing) :]


def cut(text: str, width: int) -> str:
    """Return the text, its end left out if it is too long."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _block(text: str, width: int) -> str:
    """Return a command's text; of a block that has no room, the names of its commands."""
    if len(text) <= width or not text.startswith("MULTI; "):
        return text
    return " ".join(command.partition(" ")[0] for command in text.split("; "))


def _short(text: str) -> str:
    """Return the text without what the eye does not need: names of plain arguments, dates, counts of fields."""
    for pattern, instead in _SHORTER:
        text = pattern.sub(instead, text)
    return text


def _changed(change: KeyChange) -> tuple[str, ...]:
    room = WIDTH - LEFT - _LANES - 3
    before, after = _short(change.before), _short(change.after)
    if not before:
        return (cut(f"+ {change.key} = {after}", room),)
    if not after:
        return (cut(f"- {change.key} (was {before})", room),)
    whole = f"~ {change.key}: {before} → {after}"
    if len(whole) <= room:
        return (whole,)
    return (cut(f"~ {change.key}: {before}", room), cut(f"  → {after}", room))
