"""The file in which a stopped exploration is kept, beside the reports: written, read back, removed once it is done."""

from __future__ import annotations

from pathlib import Path

import msgspec

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.gate.resume import Stopped

NAME = "stopped.json"


def keep_stopped(stopped: Stopped | None, out: Path) -> None:
    """Write the file, or remove what an earlier run left, if there is nothing left to do."""
    file = out / NAME
    if stopped is None:
        file.unlink(missing_ok=True)
    else:
        out.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(stopped))


def read_stopped(out: Path, asked: str) -> Stopped:
    """Read what was stopped.

    Args:
        asked: what the run that goes on is about.

    Raises:
        UsageError: there is nothing to go on with, or it was about something else.
    """
    file = out / NAME
    try:
        stopped = msgspec.json.decode(file.read_bytes(), type=Stopped)
    except OSError as error:
        raise UsageError(
            f"There is no stopped run at {str(file)!r} ({error.strerror}): it is done, or was made with another --out."
        ) from error
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{str(file)!r} is not a stopped run of this midpipe ({error}). Leave --resume out to begin anew."
        ) from error
    if stopped.asked != asked:
        raise UsageError(
            f"The run in {str(file)!r} was about {stopped.asked}, and this one is about {asked}. "
            "Give it the same options, or leave --resume out to begin anew."
        )
    return stopped
