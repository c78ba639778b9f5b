"""Deletes what a run has left in an external database after midpipe has died. The reaper runs this as a program.

Only keys go whose names midpipe had proved to be its own in an earlier case, and only while the run's lock is there: a
key of another client is never deleted, and neither is one of a run that began later.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.vocabulary import LOCK_KEY, Address

_NAMES = ".names"


@dataclass(frozen=True, slots=True)
class Remains:
    """Where a run writes. Stored in a file of the run's directory, which only its user can read.

    Args:
        token: the value of the run's lock.
    """

    address: Address
    username: str | None
    password: str | None
    database: int
    token: str

    def write(self, file: Path) -> None:
        """Store this in a new file."""
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(self)))


def note_names(file: Path, names: list[bytes]) -> None:
    """Add names of keys to those that may be deleted.

    Args:
        file: that of ``Remains.write``.
    """
    with file.with_suffix(_NAMES).open("a") as names_file:
        names_file.writelines(f"{name.hex()}\n" for name in names)


def main(path: str) -> None:
    """Delete the keys and the lock of the run that the file describes."""
    file = Path(path)
    stored = json.loads(file.read_text())
    remains = Remains(**{**stored, "address": Address(**stored["address"])})
    names_file = file.with_suffix(_NAMES)
    names = names_file.read_text().split() if names_file.exists() else []
    credentials = (remains.password, remains.username, remains.database)
    with closing(Control(remains.address, *credentials)) as control:
        if control.call("GET", LOCK_KEY) != remains.token.encode():
            return
        control.pipeline([("UNLINK", bytes.fromhex(name)) for name in names])
        control.call("DEL", LOCK_KEY)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, ServerError) as error:
        sys.exit(str(error))
