"""`--held-to FILE`: fail where a ratio is worse than earlier runs account for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.regression import Figures, Held, held_to

_FIGURES = pytest.StashKey[dict[str, Mapping[str, object]]]()
_HELD = pytest.StashKey[tuple[Held, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--held-to",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="The JSON of an earlier run; give three or more. Fails if a ratio is worse than what they differ by.",
    )


@pytest.fixture(autouse=True)
def _keeps_figures(request: pytest.FixtureRequest, benchmark: Any) -> Iterator[None]:
    yield
    _figures(request.config)[request.node.nodeid] = dict(benchmark.extra_info)


def _figures(config: pytest.Config) -> dict[str, Mapping[str, object]]:
    return config.stash.setdefault(_FIGURES, {})


def pytest_sessionfinish(session: pytest.Session) -> None:
    files: list[Path] = session.config.getoption("--held-to")
    if not files:
        return
    try:
        earlier = [figures_in(file) for file in files]
        held = held_to(_figures(session.config), earlier)
    except (OSError, ValueError, KeyError) as error:
        raise pytest.UsageError(f"--held-to: {error}") from None
    session.config.stash[_HELD] = held
    if any(each.is_regression for each in held) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    held = terminalreporter.config.stash.get(_HELD, ())
    if held:
        terminalreporter.section("held to earlier runs")
    for each in held:
        terminalreporter.line(str(each), red=each.is_regression)


def figures_in(file: Path) -> Figures:
    """Read the JSON of an earlier run. Raises OSError, ValueError or KeyError."""
    return {
        found["fullname"]: found["extra_info"]
        for found in json.loads(file.read_text())["benchmarks"]
    }
