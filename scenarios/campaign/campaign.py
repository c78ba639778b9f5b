"""A campaign: which shards a run has, which of them are stored already, and the verdict on those that are.

Results are keyed by shard, so a shard that ran twice because its worker died counts once. Each is stored as it comes,
so a campaign that was interrupted resumes with the shards that are missing. Knows no scheduler.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.shard import Shard

COMMANDS = ("gate", "sweep", "interleave", "fleet", "fuzz")
"""The commands that take ``--shard``."""
_OWN = ("--shard", "--jobs", "--out", "--resume")
"""Options of such a command that the campaign sets itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign runs.

    Args:
        arguments: a command with its options, as ``midpipe`` takes them.
        shards: into how many shards it is cut.
        version: of midpipe.

    Raises:
        UsageError: the command has no shards, or has an option that the campaign sets itself.
    """

    arguments: tuple[str, ...]
    shards: int
    version: str

    def __post_init__(self) -> None:
        command = self.arguments[0] if self.arguments else ""
        if command not in COMMANDS:
            raise UsageError(f"A campaign runs {', '.join(COMMANDS)}; got {command!r}.")
        for word in self.arguments:
            if word.partition("=")[0] in _OWN:
                raise UsageError(f"A campaign sets {word.partition('=')[0]} itself. Leave it out.")

    def all(self) -> tuple[Shard, ...]:
        """Return every shard."""
        return tuple(Shard(number, self.shards) for number in range(1, self.shards + 1))


class Store:
    """The verdicts of a campaign's shards, each in a file of its own, beside the plan that they belong to.

    Args:
        folder: created if need be.
        resumes: keep what is stored, of the same plan; otherwise the folder is emptied.

    Raises:
        UsageError: there is nothing to resume, or the folder has another plan's shards.
    """

    def __init__(self, folder: Path, plan: Plan, *, resumes: bool) -> None:
        self._folder = folder
        self._plan = plan
        described = json.dumps(
            {"midpipe": plan.version, "shards": plan.shards, "arguments": plan.arguments}
        )
        file = folder / "plan.json"
        if resumes:
            if not file.exists():
                raise UsageError(f"There is no campaign to resume in {str(folder)!r}.")
            if file.read_text("utf-8") != described:
                raise UsageError(
                    f"{str(folder)!r} has another campaign: {file.read_text('utf-8')}. Use the same options, "
                    "or leave --resume out to start a new one."
                )
            return
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("shard-*.json"):
            old.unlink()
        file.write_text(described, "utf-8")

    def add(self, shard: Shard, verdict: str) -> Path:
        """Store the verdict of a shard, and return its file, which is there whole or not at all."""
        file = self._file(shard)
        part = file.with_suffix(".part")
        part.write_text(verdict, "utf-8")
        part.replace(file)
        return file

    def missing(self) -> tuple[Shard, ...]:
        """Return the shards that are not stored yet."""
        return tuple(shard for shard in self._plan.all() if not self._file(shard).exists())

    def files(self) -> tuple[Path, ...]:
        """Return the files that are stored, by shard."""
        return _existing(map(self._file, self._plan.all()))

    def _file(self, shard: Shard) -> Path:
        return self._folder / f"shard-{shard.number}-of-{shard.count}.json"


def _existing(files: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(file for file in files if file.exists())
