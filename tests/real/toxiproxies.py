"""Servers of Toxiproxy's API in tests: a real Toxiproxy, and ``midpipe proxy`` as a user starts it.

Without a real one its tests are skipped on a laptop, and fail where CI is set.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.toxiproxy.binary import ToxiproxyProcess
from midpipe.faultinject.vocabulary import Address
from tests.support.children import running

REAL, OURS = "toxiproxy", "midpipe"
BOTH = (REAL, OURS)


@contextmanager
def real_toxiproxy(run: RunDirectory) -> Iterator[Address]:
    """Start a real Toxiproxy; yields where its API is."""
    try:
        process = ToxiproxyProcess(run, os.environ.get("MIDPIPE_TOXIPROXY", ""))
    except ServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no real Toxiproxy: {error}")
    yield process.api
    process.close()


@contextmanager
def midpipe_proxy(*options: str) -> Iterator[Address]:
    """Start ``midpipe proxy`` on a free port; yields where its API is."""
    words = [sys.executable, "-m", "midpipe", "proxy", "--port", "0", *options]
    with running(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\[?([^]]+)\]?:(\d+)$", line.strip())
        assert found, line
        yield Address(host=found[1], port=int(found[2]))
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def api_of(which: str, run: RunDirectory) -> Iterator[Address]:
    """Start a real Toxiproxy or midpipe's."""
    with real_toxiproxy(run) if which == REAL else midpipe_proxy() as api:
        yield api
