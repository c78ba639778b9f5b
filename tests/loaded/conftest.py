"""A busy machine: eight processes for each processor that do nothing but compute, as long as the tests run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.real.conftest import worker
from tests.support.children import running

__all__ = ["worker"]

LOOPS_PER_PROCESSOR = 8
# It ends by itself if the tests are killed: its standard input is closed then.
LOOP = "import os, select\nwhile not select.select([0], [], [], 0)[0]:\n    sum(range(10_000))"


@pytest.fixture(scope="session", autouse=True)
def _busy() -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(LOOPS_PER_PROCESSOR * (os.cpu_count() or 1)):
            stack.enter_context(running([sys.executable, "-c", LOOP], stdin=subprocess.PIPE))
        yield
