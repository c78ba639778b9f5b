"""The extras that commands name are those of pyproject.toml, and install the modules that the commands need."""

from __future__ import annotations

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from midpipe.reports.cli.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_that_a_command_names_installs_its_modules(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = project["optional-dependencies"][extra]
    distributions = packages_distributions()
    for module in EXTRAS[extra]:
        installers = tuple(name.lower() for name in distributions[module])
        assert any(text.startswith(installers) for text in requirements), (module, requirements)
