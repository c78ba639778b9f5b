"""The pytest plugin: options that name a subject and a server, and fixtures. Starts nothing that no test requests.

``midpipe_redis`` is a server, emptied before each test. ``midpipe_proxy`` is a proxy in front of it that injects faults
at the commands that a test names; a fault that was placed and did not happen fails the test. Server and proxy end with
pytest, even if pytest is killed.

Every option and fixture is named ``midpipe``, so that it does not clash with those of a project or another plugin.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from midpipe.scenarios.explore.worker import Worker
    from midpipe.scenarios.model.spec import SubjectSpec
    from midpipe.scenarios.suites.redis_server import RedisProxy, RedisServer


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("midpipe")
    group.addoption(
        "--midpipe-subject",
        default="midpipe.reference:Queue",
        metavar="WHAT",
        help="The queue under test: module:Class or path/to/file.py:Class.",
    )
    group.addoption(
        "--midpipe-redis",
        default="embedded",
        metavar="WHERE",
        help="The server: embedded[:BINARY], docker[:IMAGE], or redis://… of an empty database.",
    )
    group.addoption(
        "--midpipe-clock",
        default="auto",
        choices=("auto", "stepped", "wall"),
        help="The clock of the cases, as --clock of midpipe gate.",
    )
    group.addoption(
        "--midpipe-path",
        action="append",
        default=[],
        metavar="DIR",
        help="A directory on the subject's import path; may be repeated.",
    )
    group.addoption(
        "--midpipe-env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="A variable in the subject's environment; may be repeated.",
    )

    group.addoption(
        "--midpipe-programs",
        action="append",
        default=[],
        metavar="FILE",
        help="A Python file with programs and invariants of your own; may be repeated.",
    )


_FELL_BACK = pytest.StashKey[str]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print why the cases ran on the machine's clock, if they did without being asked to."""
    if reason := config.stash.get(_FELL_BACK, ""):
        from midpipe.scenarios.model.messages import OnMachinesClock

        terminalreporter.write_line(f"midpipe: {OnMachinesClock(reason)}")


@pytest.fixture(scope="session")
def midpipe_subject(pytestconfig: pytest.Config) -> SubjectSpec:
    """The subject that the options name, with the promises of the project's ``[tool.midpipe.promises]``."""
    from midpipe.faultinject.errors import UsageError
    from midpipe.scenarios.model.spec import parse_subject
    from midpipe.scenarios.subjects.configuration import find_configuration

    option = pytestconfig.getoption
    try:
        subject = parse_subject(
            option("midpipe_subject"),
            tuple(option("--midpipe-path")),
            sys.executable,
            environment=tuple(option("--midpipe-env")),
        )
        project = find_configuration(pytestconfig.rootpath)
        return replace(subject, promises=project.promises_for(subject.text))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture(scope="session")
def midpipe_worker(pytestconfig: pytest.Config) -> Iterator[Worker]:
    """Runs cases on a server of its own, with the subject in processes of its own."""
    from midpipe.faultinject.errors import MidpipeError
    from midpipe.faultinject.servers.opening import parse_server_spec
    from midpipe.scenarios.explore.worker import Worker
    from midpipe.scenarios.invariants.selection import Selection

    option = pytestconfig.getoption
    try:
        worker = Worker(
            replace(parse_server_spec(option("midpipe_redis")), clock=option("--midpipe-clock")),
            judged_by=Selection(files=tuple(option("--midpipe-programs"))),
        )
    except MidpipeError as error:
        raise pytest.UsageError(str(error)) from error
    yield worker
    pytestconfig.stash[_FELL_BACK] = worker.fell_back
    worker.close()


@pytest.fixture(scope="session")
def _midpipe_started(pytestconfig: pytest.Config) -> Iterator[RedisServer]:
    from midpipe.faultinject.errors import MidpipeError
    from midpipe.scenarios.suites.redis_server import RedisServer

    try:
        started = RedisServer(pytestconfig.getoption("midpipe_redis"))
    except MidpipeError as error:
        raise pytest.UsageError(str(error)) from error
    yield started
    started.close()


@pytest.fixture
def midpipe_redis(_midpipe_started: RedisServer) -> RedisServer:
    """A real, empty server; a client connects to ``midpipe_redis.url``."""
    _midpipe_started.reset()
    return _midpipe_started


@pytest.fixture
def midpipe_proxy(midpipe_redis: RedisServer) -> Iterator[RedisProxy]:
    """A proxy in front of ``midpipe_redis``; a client connects to ``midpipe_proxy.url``.

    ``midpipe_proxy.place("lost-reply", command="EXEC")`` places a fault.
    """
    proxy = midpipe_redis.proxy()
    yield proxy
    not_fired = proxy.close()
    if not_fired:
        pytest.fail(f"placed, and did not happen: {', '.join(not_fired)}", pytrace=False)
