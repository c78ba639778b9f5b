"""The file of a baseline: reads and writes it as JSON."""

from __future__ import annotations

from pathlib import Path

import msgspec

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.accepted import NO_BASELINE, Baseline


def read_baseline(path: Path) -> Baseline:
    """Return the baseline in a file. Raises UsageError if there is none, or it can't be read."""
    try:
        baseline = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise UsageError(
            f"There is no baseline at {str(path)!r} ({error.strerror}). 'midpipe baseline' writes one."
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{str(path)!r} is not a baseline: {error}. 'midpipe baseline' writes one from a verdict."
        ) from error
    if baseline.schema != NO_BASELINE.schema:
        raise UsageError(
            f"{str(path)!r} has schema {baseline.schema}, and this midpipe reads schema {NO_BASELINE.schema}. "
            "Write it again with 'midpipe baseline'."
        )
    return baseline


def baseline_text(baseline: Baseline) -> str:
    """Return a baseline as it stands in its file."""
    return msgspec.json.format(msgspec.json.encode(baseline), indent=2).decode() + "\n"
