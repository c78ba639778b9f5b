"""The story of one case as values: what happened, step by step, ready to be drawn. Knows no server and no drawing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key's value before and after a step, as short text; an absent key is an empty string."""

    key: str
    before: str
    after: str


class StepKind(StrEnum):
    """What a step of a story is."""

    PREPARATION = "preparation"
    """A call that midpipe makes before the case, without faults."""
    SEED = "seed"
    """A command with which midpipe writes the start state."""
    CALL = "call"
    """A client calls the subject."""
    COMMAND = "command"
    """A client's command at the proxy."""
    LATE_COMMAND = "late command"
    """A held command reaches the server after its client has moved on."""
    RETURN = "return"
    """A client's call returns."""
    RAISE = "raise"
    """A client's call raises."""
    RECOVERY = "recovery"
    """A call that midpipe makes after the case, without faults, and its result."""
    SERVER = "server"
    """The server is restarted, or another one takes over."""
    TIME = "time"
    """Time passes on a stepped clock, and nothing else happens."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of the subject's code.

    Args:
        file: relative to the directory in which midpipe was started, if it lies below that; absolute otherwise.
        line: from 1.
        function: the function that the line belongs to.
    """

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class CommandSource:
    """Where the subject's code sent a command.

    Args:
        sent: the line that waits for the reply; of a pipeline, the line that called ``execute``.
        frames: the frames of the subject's own code, the innermost first; frames of libraries are left out.
        queued: of a pipeline, the lines that queued its commands, in order.
    """

    sent: SourceLine
    frames: tuple[SourceLine, ...] = ()
    queued: tuple[SourceLine, ...] = ()


@dataclass(frozen=True, slots=True)
class StoryArgument:
    """An argument of a call, with its value as JSON text."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class StoryCall:
    """A call of the subject.

    Args:
        arguments: those that distinguish calls; constant and long ones are left out.
        attempt: from 1; above 1 the caller retries.
        version: the version that the client runs in a mixed fleet; empty otherwise.
        standby: the stand-by worker makes the call, while the program's own worker is frozen.
    """

    method: str
    arguments: tuple[StoryArgument, ...] = ()
    attempt: int = 1
    version: str = ""
    standby: bool = False


@dataclass(frozen=True, slots=True)
class StoryCommand:
    """A command at the proxy.

    Args:
        words: the command's words, long ones cut; of a MULTI … EXEC block the words of EXEC.
        position: its position in the schedule (``A2``); empty if midpipe sends the command.
        block: the commands of a MULTI … EXEC block; empty if it is not one.
        place: its wire execution index: operation, attempt, command and label.
        label: its name and the pattern of its first key; empty if midpipe sends the command.
        fault: name of the fault injected here; empty if the command passed.
        executed: whether the server executed it: ``yes``, ``no`` or ``unknown``.
        reply: the server's reply as short text.
        source: the line of the subject's code that sent it; None if it is not known.
    """

    words: tuple[str, ...]
    position: str = ""
    block: tuple[tuple[str, ...], ...] = ()
    place: str = ""
    label: str = ""
    fault: str = ""
    executed: str = ""
    reply: str = ""
    source: CommandSource | None = None


@dataclass(frozen=True, slots=True)
class StoryError:
    """What a call raised."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One event of a case, in the case's total order.

    Args:
        client: id of the client; ``R`` is midpipe's own, empty is the server.
        call: of PREPARATION, CALL, RETURN, RAISE and RECOVERY.
        command: of SEED, COMMAND and LATE_COMMAND.
        value: of RETURN and RECOVERY, what the call returned, as short text.
        error: of RAISE, and of a RECOVERY that raised.
        text: of SERVER and TIME, what happened.
        changes: the keys that the step changed.
    """

    kind: StepKind
    client: str
    call: StoryCall | None = None
    command: StoryCommand | None = None
    value: str = ""
    error: StoryError | None = None
    text: str = ""
    changes: tuple[KeyChange, ...] = ()


@dataclass(frozen=True, slots=True)
class StoryViolation:
    """An invariant that the case violated.

    Args:
        observed: what was observed, in one sentence.
        position: of the command after which it was observed; empty if it was observed at the end.
    """

    invariant: str
    observed: str
    position: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """A case as it happened.

    Args:
        replay: the argument of ``midpipe replay``.
        violations: empty if every invariant holds.
        invalid_reason: why the case is invalid, so that its outcome means nothing; empty if it is valid.
    """

    replay: str
    steps: tuple[StoryStep, ...]
    violations: tuple[StoryViolation, ...] = ()
    invalid_reason: str = ""
