"""Runs a soak to its end."""

from __future__ import annotations

from pathlib import Path

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.soak.plan import SoakPlan
from midpipe.scenarios.soak.results import SoakResult
from midpipe.scenarios.soak.soak import Soak


def result_of(folder: Path, subject: str, plan: SoakPlan) -> SoakResult:
    """Return the result of a soak on the embedded server."""
    soak = Soak(ServerSpec(), SubjectSpec(subject), plan, folder, 5.0)
    try:
        for _ in soak.run():
            pass
        return soak.result()
    finally:
        soak.close()
