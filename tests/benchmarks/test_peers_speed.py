"""An enqueue of the reference beside those of released libraries, as ratios of a bare SET to it in the same rounds.

Each is hosted by the interpreter of its own environment and timed inside its process; all take turns in random order.
Bytes pass a forwarder unread, which costs every round trip the same, so it brings the ratios closer to 1.
"""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.latency.bench import BenchPlan, LatencyBench
from midpipe.scenarios.latency.entrants import Entrant, entrants_for
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.queues import LIBRARIES, Language
from midpipe.scenarios.subjects.environments import installed, subject_of

PROGRAMS = {Language.NODE: "npm", Language.GO: "go"}
ROUNDS, CALLS = 7, 100


def peers() -> tuple[Entrant, ...]:
    """Return the libraries with their defaults whose installer is on this machine."""
    return tuple(
        Entrant(name, subject_of(installed(name), SubjectSpec(patience_s=60.0)))
        for name, library in LIBRARIES.items()
        if library.package
        and not library.variant_of
        and (library.language is Language.PYTHON or shutil.which(PROGRAMS[library.language]))
    )


# Installs what is not there yet.
@pytest.mark.timeout(600)
def test_an_enqueue_of_the_reference_beside_its_peers(benchmark: Any) -> None:
    reference, old_only, floor = entrants_for(SubjectSpec(), None, with_known=False)
    plan = BenchPlan(
        entrants=(reference, old_only, *peers(), floor),
        networks=("loopback",),
        rates=(),
        rounds=ROUNDS,
        calls=CALLS,
        max_p99_ratio=None,
        outage_s=0.0,
    )

    def measure() -> dict[str, float]:
        bench = LatencyBench(ServerSpec(), plan)
        try:
            for _ in bench.run():
                pass
            rows = [row for row in bench.rows() if row.operation == "enqueue"]
        finally:
            bench.close()
        assert [row.subject for row in rows if row.errors] == []
        return {row.subject: row.percentiles.p50 for row in rows}

    found = benchmark.pedantic(measure, rounds=1, iterations=1)
    for name, ms in found.items():
        benchmark.extra_info[f"{name}_ms"] = round(ms, 3)
        benchmark.extra_info[f"set_to_{name}"] = round(found[floor.name] / ms, 2)
    # Held by --held-to.
    benchmark.extra_info["set_to_old_only"] = round(found[floor.name] / found[old_only.name], 2)
