"""The subjects on which the review's issues are tried: as reviewed, as shipped, and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from midpipe.scenarios.model.spec import REFERENCE

SUBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "as reviewed": "midpipe.scenarios.flaws.as_reviewed:SimpleQueue",
        "as shipped": "midpipe.scenarios.flaws.as_shipped:SimpleQueue",
        "reference": REFERENCE,
    }
)
