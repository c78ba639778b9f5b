"""The pytest plugin: options that name a subject and a server, and fixtures. Nothing is started before it is asked for.

``midpipe_redis`` is a server, emptied before each test. ``midpipe_proxy`` leads to it, and does to a command what a
test asks for; what was asked for and did not happen fails the test. Everything ends with pytest, however that ends.

The options are named ``--midpipe-…``, so that they meet nobody else's. When the suites themselves are run
(``pytest --pyargs midpipe.scenarios.suites``), ``--subject`` and ``--redis`` do as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from midpipe.scenarios.explore.worker import Worker
    from midpipe.scenarios.model.spec import SubjectSpec
    from midpipe.scenarios.suites.faulted import FaultedRedis, TestRedis


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("midpipe")
    suites_are_run = "--pyargs" in sys.argv and any(
        word.partition(".")[0] == "scenarios" for word in sys.argv
    )
    options = {
        "subject": (
            "midpipe.reference:Queue",
            "The queue under test: module:Class or path/to/file.py:Class.",
        ),
        "redis": (
            "embedded",
            "The server: embedded[:BINARY], docker[:IMAGE], or redis://… of an empty database.",
        ),
    }
    for name, (default, text) in options.items():
        names = [f"--midpipe-{name}", *([f"--{name}"] if suites_are_run else [])]
        group.addoption(*names, dest=f"midpipe_{name}", default=default, metavar="WHAT", help=text)
    group.addoption(
        "--midpipe-path",
        action="append",
        default=[],
        metavar="DIR",
        help="A directory for the subject's imports; may be repeated.",
    )
    group.addoption(
        "--midpipe-env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="A variable for the subject's environment; may be repeated.",
    )


@pytest.fixture(scope="session")
def midpipe_subject(pytestconfig: pytest.Config) -> SubjectSpec:
    """The subject that the options name."""
    from midpipe.faultinject.errors import UsageError
    from midpipe.scenarios.model.spec import parse_subject

    option = pytestconfig.getoption
    try:
        return parse_subject(
            option("midpipe_subject"),
            tuple(option("--midpipe-path")),
            sys.executable,
            tuple(option("--midpipe-env")),
        )
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture(scope="session")
def midpipe_worker(pytestconfig: pytest.Config) -> Iterator[Worker]:
    """What runs cases: a server of its own, and processes for the subject."""
    from midpipe.faultinject.errors import MidpipeError
    from midpipe.faultinject.servers.opening import parse_server_spec
    from midpipe.scenarios.explore.worker import Worker

    try:
        worker = Worker(parse_server_spec(pytestconfig.getoption("midpipe_redis")))
    except MidpipeError as error:
        raise pytest.UsageError(str(error)) from error
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def _midpipe_started(pytestconfig: pytest.Config) -> Iterator[TestRedis]:
    from midpipe.faultinject.errors import MidpipeError
    from midpipe.scenarios.suites.faulted import TestRedis

    try:
        started = TestRedis(pytestconfig.getoption("midpipe_redis"))
    except MidpipeError as error:
        raise pytest.UsageError(str(error)) from error
    yield started
    started.close()


@pytest.fixture
def midpipe_redis(_midpipe_started: TestRedis) -> TestRedis:
    """A real server for one test, empty: ``midpipe_redis.url`` is where it is."""
    _midpipe_started.reset()
    return _midpipe_started


@pytest.fixture
def midpipe_proxy(midpipe_redis: TestRedis) -> Iterator[FaultedRedis]:
    """The server behind a proxy: ``midpipe_proxy.url``; ``midpipe_proxy.place("lost-reply", command="EXEC")``."""
    faulted = midpipe_redis.faulted()
    yield faulted
    idle = faulted.end()
    if idle:
        pytest.fail(f"placed, and did not happen: {', '.join(idle)}", pytrace=False)
