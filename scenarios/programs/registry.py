"""Every program by name: of one client, of several, and of a mixed fleet."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from scenarios.programs.fleets import FLEETS
from scenarios.programs.pairs import PAIRS
from scenarios.programs.program import Program
from scenarios.programs.single import SINGLE

SUITES: Mapping[str, Mapping[str, Program]] = MappingProxyType(
    {"sweep": SINGLE, "interleave": PAIRS, "fleet": FLEETS}
)
PROGRAMS: Mapping[str, Program] = MappingProxyType({**SINGLE, **PAIRS, **FLEETS})
