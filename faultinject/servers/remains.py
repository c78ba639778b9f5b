"""What is left of containers and networks with a label, and its removal. Run as a file, it removes it.

The leash runs it when midpipe has died, in an interpreter of its own: so it imports nothing of midpipe's. It looks
again until nothing has turned up for a moment, because what the dead process had just asked the engine for may still
be made.
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
    """Remove every container, its volumes, and every network of a run; return how many there were.

    Args:
        client: a ``docker.DockerClient``.
        run: the label's value.
    """
    from docker.errors import APIError

    found = 0
    label = {"label": f"{LABEL}={run}"}
    for container in client.containers.list(all=True, filters=label, ignore_removed=True):
        found += 1
        # Another one may be removing it as well.
        with suppress(APIError):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters=label):
        found += 1
        with suppress(APIError):
            network.remove()
    return found


def main(run: str) -> None:
    """Remove what is left of a run, and what still turns up."""
    import docker

    client = docker.from_env()
    for _ in range(_ROUNDS):
        found = remove_remains(client, run)
        time.sleep(_QUIET_S)
        if not found:
            return


if __name__ == "__main__":
    main(sys.argv[1])
