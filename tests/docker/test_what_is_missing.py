"""A missing engine, image or reaper is reported in one sentence with the way out, exit code 2, no traceback."""

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


def message_for(image: str, **environment: str) -> str:
    """Run midpipe on a container that can't be started, and return the one line of its message."""
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


def test_a_missing_engine_is_reported(tmp_path: Path) -> None:
    pytest.importorskip("testcontainers")
    nowhere = f"unix://{tmp_path}/docker.sock"
    line = message_for("redis:8", DOCKER_HOST=nowhere)
    assert line.startswith("midpipe: No container engine answers: ")
    assert "Is Docker running" in line


@pytest.mark.usefixtures("engine")
def test_an_image_that_can_t_be_pulled_is_named() -> None:
    line = message_for("midpipe.invalid/no-such-image:1")
    assert "The image midpipe.invalid/no-such-image:1 is not on the engine" in line
    assert "leave --redis out to use the embedded server" in line


@pytest.mark.usefixtures("engine")
def test_a_missing_ryuk_image_is_reported_with_the_setting_that_disables_ryuk(
    redis_image: str,
) -> None:
    line = message_for(
        redis_image,
        TESTCONTAINERS_RYUK_DISABLED="false",
        RYUK_CONTAINER_IMAGE="midpipe.invalid/no-such-reaper:1",
    )
    assert "The image midpipe.invalid/no-such-reaper:1" in line
    assert "TESTCONTAINERS_RYUK_DISABLED=true" in line


def test_an_image_without_a_server_is_reported(toxiproxy_image: str) -> None:
    line = message_for(toxiproxy_image)
    assert "Is it an image of Redis or Valkey?" in line
