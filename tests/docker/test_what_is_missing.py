"""What a container needs and is not there: told in one sentence with the way out, exit code 2, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker
ROOT = Path(__file__).resolve().parents[2]
MIDPIPE = (
    sys.executable,
    "-m",
    "midpipe",
    "sweep",
    "--program",
    "enqueue",
    "--jobs",
    "1",
    "--redis",
)


def told(image: str, **environment: str) -> str:
    """Run midpipe on a server in a container that can't be had, and return the one line that it says."""
    ended = subprocess.run(
        [*MIDPIPE, f"docker:{image}"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    lines = ended.stderr.strip().splitlines()
    assert (ended.returncode, len(lines), ended.stdout) == (2, 1, ""), ended
    return lines[0]


def test_without_an_engine_it_says_so(tmp_path: Path) -> None:
    pytest.importorskip("testcontainers")
    nowhere = f"unix://{tmp_path}/docker.sock"
    line = told("redis:8", DOCKER_HOST=nowhere)
    assert line.startswith("midpipe: No container engine answers: ")
    assert "Is Docker running" in line


@pytest.mark.usefixtures("engine")
def test_an_image_that_can_not_be_had_is_named() -> None:
    line = told("midpipe.invalid/no-such-image:1")
    assert "The image midpipe.invalid/no-such-image:1 is not on the engine" in line
    assert "`midpipe images`" in line


@pytest.mark.usefixtures("engine")
def test_a_reaper_that_can_not_be_had_is_told_with_the_setting_that_does_without(
    redis_image: str,
) -> None:
    line = told(
        redis_image,
        TESTCONTAINERS_RYUK_DISABLED="false",
        RYUK_CONTAINER_IMAGE="midpipe.invalid/no-such-reaper:1",
    )
    assert "The image midpipe.invalid/no-such-reaper:1" in line
    assert "TESTCONTAINERS_RYUK_DISABLED=true" in line


def test_an_image_that_is_no_server_is_told(toxiproxy_image: str) -> None:
    line = told(toxiproxy_image)
    assert "Is it an image of Redis or Valkey?" in line
