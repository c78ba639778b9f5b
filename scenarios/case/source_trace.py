"""Finds the line of the subject's code that sent each command, while a case is run again for its story.

A scheduler that wraps another one: when it is asked for a decision, every client is parked, so the stack of the chosen
client's process names the line that waits for the reply. It changes no decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from midpipe.faultinject.decide.decider import Decider
from midpipe.faultinject.decide.schedule import Schedule
from midpipe.faultinject.vocabulary import Decision, FaultRef, Point, RunEnd, WireEvent
from midpipe.scenarios.case.hosts import Hosts
from midpipe.scenarios.model.story import CommandSource, SourceLine

_MOST_QUESTIONS = 20


class SourceTrace(Decider):
    """Asks for the source of each command that the wrapped decider lets through.

    Args:
        hosts: the processes of the clients.

    Attributes:
        sources: of each command, by its position as in a schedule; a command whose source is unknown is left out.
    """

    def __init__(self, decider: Decider, hosts: Hosts) -> None:
        self._decider = decider
        self._hosts = hosts
        self.sources: dict[str, CommandSource] = {}

    @property
    def current(self) -> Schedule:
        return self._decider.current

    @property
    def planned_faults(self) -> tuple[tuple[str, FaultRef], ...]:
        return self._decider.planned_faults

    @property
    def repeated(self) -> tuple[WireEvent, ...]:
        return self._decider.repeated

    def begin(self) -> bool:
        return self._decider.begin()

    def restart(self) -> None:
        self.sources.clear()
        self._decider.restart()

    def decide(self, point: Point) -> Decision:
        decision = self._decider.decide(point)
        position = decision.event.position
        # What a transaction queues is sent before its EXEC, and its lines are reported with that.
        host = None if position.inside else self._hosts.last_of(position.client)
        source = _settled_source(host.stacks) if host is not None else None
        if source is not None:
            self.sources[str(position)] = source
        return decision

    def end(self, run: RunEnd) -> None:
        self._decider.end(run)


def _settled_source(report: Callable[[], object]) -> CommandSource | None:
    """Ask until two answers in turn are the same: right after it has sent a command, a client does not wait yet."""
    source: CommandSource | None = None
    for _ in range(_MOST_QUESTIONS):
        answer = report()
        if answer is None:
            break
        before, source = source, command_source(answer)
        if source is not None and source == before:
            break
    return source


def command_source(report: object) -> CommandSource | None:
    """Return the source in a report of ``subjects/stacks.py``; None if it shows no line of the subject's own.

    Args:
        report: the decoded line; anything else is taken for a report without stacks.
    """
    if not isinstance(report, dict):
        return None
    stacks = [_own_lines(stack) for stack in report.get("stacks") or ()]
    frames = next(filter(None, stacks), ())
    if not frames:
        return None
    queued = [_own_lines(stack)[:1] for stack in report.get("queued") or ()]
    return CommandSource(frames[0], frames, tuple(line for lines in queued for line in lines))


def _own_lines(stack: Iterable[Sequence[Any]]) -> tuple[SourceLine, ...]:
    """Return the frames of the subject's own code, the innermost first."""
    return tuple(
        SourceLine(_relative(str(file)), int(line), str(function))
        for file, line, function, is_own in stack
        if is_own
    )


def _relative(file: str) -> str:
    """Return a path relative to the working directory, if it lies below that."""
    path, here = Path(file), Path.cwd().resolve()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else file
