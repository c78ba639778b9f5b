"""What a stopped audit needs to go on: where the scan is, which jobs wait for a walk, and the suspects. A file.

Holds job ids and no payload, and is readable by its owner only. A cursor is valid only on the server that gave it, and
only until that restarts; after that the scan begins again, and the suspects stay.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.audit.observation import Suspicion
from midpipe.scenarios.audit.results import Stage
from midpipe.scenarios.audit.suspects import Fate, Suspect

_SCHEMA = 3

Parts = tuple[tuple[str, str], ...]


class State(msgspec.Struct, kw_only=True):
    """The state of an audit.

    Args:
        options: digest of what must not change between two runs: layout, phase, prefix, sample, database.
        server: the server's run id.
        stage: what it was doing.
        cursor: of the scan.
        keys, jobs, other_keys, unreadable, unjudged: counts so far.
        suspicions: how many there were after the first observation.
        places: found by the scan: name, key.
        walked: those of them that were walked.
        before_walk: jobs and unjudged as they were before the walk that is under way.
        waiting: jobs that wait for a walk: job id, parts, origin, places.
        open, confirmed, fates: of the suspects.
        seconds, ops: spent so far.
    """

    options: str
    server: str
    schema: int = _SCHEMA
    stage: Stage = Stage.SCAN
    cursor: int = 0
    keys: int = 0
    jobs: int = 0
    other_keys: int = 0
    unreadable: int = 0
    unjudged: int = 0
    suspicions: int = 0
    places: list[tuple[str, str]] = []
    walked: list[tuple[str, str]] = []
    before_walk: tuple[int, int] | None = None
    waiting: list[tuple[str, Parts, str, tuple[str, ...]]] = []
    open: tuple[Suspect, ...] = ()
    confirmed: tuple[Suspicion, ...] = ()
    fates: tuple[tuple[Fate, int], ...] = ()
    seconds: float = 0.0
    ops: int = 0


def read_state(path: Path, options: str) -> State | None:
    """Return the state that a file holds; None if there is no file.

    Raises:
        UsageError: it can't be read, or is of an audit with other options.
    """
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f"The state {str(path)!r} can't be read: {error}. Remove it to begin again."
        ) from error
    if state.options != options or state.schema != _SCHEMA:
        raise UsageError(
            f"The state {str(path)!r} is of an audit with other options, or of another version of midpipe. "
            "Remove it, or name another file with --state."
        )
    return state


def write_state(path: Path, state: State) -> None:
    """Write the state as a whole: after a crash the file holds the state before or after. Raises UsageError."""
    try:
        # mkstemp makes it readable by its owner only.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(state))
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"The state {str(path)!r} can't be written: {error.strerror}. Name another file with --state."
        ) from error
