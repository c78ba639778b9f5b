"""Compile the clock's library into the wheel, if there is a C compiler; without one the wheel is a pure one.

``MIDPIPE_WHEEL_PLATFORM`` names another platform for the wheel's tag, for a library that is compiled for old versions
of glibc (``manylinux_2_17_x86_64``, say). ``MIDPIPE_WHEEL_PLATFORM=any`` leaves the library out.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CLOCK = Path("midpipe", "faultinject", "clock")


class ClockBuildHook(BuildHookInterface[Any]):
    """Adds the library to a wheel, and the platform to its tag."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the library; called before a wheel is built. An editable install compiles it on first use."""
        wanted = os.environ.get("MIDPIPE_WHEEL_PLATFORM", "")
        if version == "editable" or wanted == "any" or not _is_supported():
            return
        compiling = _loaded(Path(self.root, CLOCK, "compiling.py"))
        self._folder = tempfile.TemporaryDirectory()
        library = Path(self._folder.name, compiling.NAME)
        try:
            compiling.compile_library(library)
        except compiling.CompileError as error:
            self.app.display_warning(f"The wheel has no library for the stepped clock: {error}.")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{wanted or _platform()}"
        build_data["force_include"][str(library)] = str(CLOCK / compiling.NAME)


def _is_supported() -> bool:
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc"


def _platform() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _loaded(path: Path) -> ModuleType:
    """Load a file that is not yet part of an installed package."""
    spec = importlib.util.spec_from_file_location("compiling", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
