"""Every program by name: of one client, and of several."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from scenarios.programs.pairs import PAIRS
from scenarios.programs.program import Program
from scenarios.programs.single import SINGLE

PROGRAMS: Mapping[str, Program] = MappingProxyType({**SINGLE, **PAIRS})
