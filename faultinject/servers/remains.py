"""Removes the containers and networks that carry a run's label.

The reaper runs this file as a script after midpipe has died, so it imports nothing of midpipe. The script repeats
until it has found nothing for a moment, because the engine may still be creating what the dead process asked for.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

LABEL = "midpipe.run"
_QUIET_S = 1.5
_ROUNDS = 20


def remove_remains(client: Any, run: str) -> int:
    """Remove every container, volume and network of a run; return how many containers and networks there were.

    Args:
        client: a ``docker.DockerClient``.
        run: the label's value.
    """
    from docker.errors import APIError

    found = 0
    label = {"label": f"{LABEL}={run}"}
    for container in client.containers.list(all=True, filters=label, ignore_removed=True):
        found += 1
        # Another process may be removing it as well.
        with suppress(APIError):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters=label):
        found += 1
        with suppress(APIError):
            network.remove()
    return found


def main(run: str) -> None:
    """Remove the run's containers and networks until no more appear."""
    import docker

    client = docker.from_env()
    for _ in range(_ROUNDS):
        found = remove_remains(client, run)
        time.sleep(_QUIET_S)
        if not found:
            return


if __name__ == "__main__":
    main(sys.argv[1])
