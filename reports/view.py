"""The picture of a story as a value: lines with lanes and marks. Pure; asserted by value in tests.

The client's lane is on the left, the server's on the right; what a step changed stands beneath it.
"""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.verdict import Story, StoryStep

LEFT = 10
"""Width of the left column, in characters."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the picture.

    Args:
        tone: ``plain``, ``quiet``, ``bad`` or ``fault``; how loud it is.
        left: position and lane mark.
        text: what happened.
        right: what the server did.
    """

    tone: str
    left: str
    text: str
    right: str = ""


def picture(story: Story) -> tuple[Line, ...]:
    """Return a story's lines, the verdict's sentences last."""
    lines = [line for step in story.steps for line in _lines(step)]
    holds = story.verdict == ("Every invariant holds.",)
    lines += [
        Line("plain" if holds else "bad", "✓" if holds else "✗", text) for text in story.verdict
    ]
    return tuple(lines)


def _lines(step: StoryStep) -> tuple[Line, ...]:
    if step.kind == "command":
        changes = tuple(_change(change.key, change.before, change.after) for change in step.changes)
        return (_command(step), *changes)
    if step.kind == "call":
        return (Line("plain", step.client, step.text),)
    if step.kind == "raise":
        return (Line("bad", step.client, step.text),)
    return (Line("quiet" if step.kind == "recovery" else "plain", step.client, step.text),)


def _command(step: StoryStep) -> Line:
    right = {"yes": "server runs it", "no": "server never runs it"}.get(
        step.executed, "not known yet"
    )
    if step.reply:
        right += f" → {step.reply[:40]}"
    if step.fault:
        return Line("fault", f"  {step.position} ✂", f"{step.text}   [{step.fault}]", right)
    return Line("plain", f"  {step.position} ▶", step.text, right)


def _change(key: str, before: str, after: str) -> Line:
    if not before:
        return Line("quiet", "    +", f"{key} = {after}")
    if not after:
        return Line("quiet", "    -", f"{key} (was {before})")
    return Line("quiet", "    ~", f"{key}: {before} → {after}")
