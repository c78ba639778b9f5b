"""Toxiproxy's server, built from its Go module by the Go tool chain. What that needs comes from the Go module proxy.

Source: https://github.com/Shopify/toxiproxy/ (``cmd/server``; its version is set when it is linked).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from midpipe.faultinject.errors import ServerError

TOXIPROXY_VERSION = "2.12.0"
_TOXIPROXY_MODULE = "github.com/Shopify/toxiproxy/v2"
_TAKES_AT_MOST_S = 600.0


def toxiproxy_from_go(directory: Path) -> Path:
    """Build Toxiproxy's server, static, into a directory, and return its path. Raises ServerError."""
    run_to_end(
        (
            *("go", "install", "-ldflags"),
            f"-s -w -X {_TOXIPROXY_MODULE}.Version={TOXIPROXY_VERSION}",
            f"{_TOXIPROXY_MODULE}/cmd/server@v{TOXIPROXY_VERSION}",
        ),
        "Toxiproxy can't be built from its Go module",
        {"CGO_ENABLED": "0", "GOBIN": str(directory)},
    )
    return directory / "server"


def run_to_end(
    words: Sequence[str], failed: str, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end.

    Args:
        failed: what an error's message begins with.
        environment: variables besides those of this process.

    Raises:
        ServerError: it can't be run, or ends with another code than 0.
    """
    try:
        ended = subprocess.run(
            words,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TAKES_AT_MOST_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(f"{failed}: {error}. Name a binary that is here instead.") from error
    if ended.returncode:
        said = " ".join(ended.stderr.split())[-400:]
        raise ServerError(f"{failed}: {said}. Name a binary that is here instead.")
