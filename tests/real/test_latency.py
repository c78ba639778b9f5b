"""Latency on a real server: the network's share, round trips counted on the wire, outages and failovers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.reports.cli.main import cli
from midpipe.scenarios.latency.bench import BenchPlan, LatencyBench
from midpipe.scenarios.latency.entrants import Entrant
from midpipe.scenarios.latency.results import Outage, OutageCall, Row
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec

FLOOR = "midpipe.scenarios.latency.floors:BareSet"
AS_REVIEWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"


def measured(
    *texts: str,
    networks: tuple[str, ...] = ("loopback",),
    rates: tuple[float, ...] = (),
    outage_s: float = 0.0,
    failover: bool = False,
) -> tuple[dict[tuple[str, str, str, str], Row], list[Outage]]:
    entrants = tuple(Entrant(text, SubjectSpec(text)) for text in texts)
    plan = BenchPlan(
        entrants=entrants,
        networks=networks,
        rates=rates,
        rounds=2,
        calls=10,
        max_p99_ratio=None,
        outage_s=outage_s,
        failover=failover,
    )
    bench = LatencyBench(ServerSpec(), plan)
    try:
        assert len(list(bench.run())) == bench.rounds
        rows = {(row.subject, row.network, row.operation, row.mode): row for row in bench.rows()}
        return rows, bench.outages
    finally:
        bench.close()


def calls_during(outage: Outage) -> list[OutageCall]:
    """The calls that were due and ended while the server was unreachable: a busy machine notices both ends late."""
    begins_s, ends_s = outage.begins_s + 0.1, outage.ends_s - 0.1
    return [c for c in outage.calls if begins_s < c.due_s and c.due_s + c.ms / 1000 < ends_s]


def test_the_reviewed_queue_makes_four_round_trips_for_an_enqueue_and_the_floor_one() -> None:
    rows, _ = measured(AS_REVIEWED, FLOOR)
    trips = {name: rows[name, "loopback", "enqueue", "closed"] for name in (AS_REVIEWED, FLOOR)}
    # A round's first call also sets the connection up.
    assert [round(row.round_trips) for row in trips.values()] == [4, 1]


def test_a_network_of_40_ms_is_in_every_call() -> None:
    rows, _ = measured(FLOOR, networks=("loopback", "cross-region"))
    near, far = (
        rows[FLOOR, network, "get_job", "closed"].percentiles.p50
        for network in ("loopback", "cross-region")
    )
    assert far - near > 35.0


def test_a_call_that_had_to_wait_for_another_is_timed_from_when_it_was_due() -> None:
    rows, _ = measured(FLOOR, networks=("cross-region",), rates=(100.0,))
    closed, due = (
        rows[FLOOR, "cross-region", "get_job", mode].percentiles
        for mode in ("closed", "open at 100/s")
    )
    # Ten calls of 40 ms, due every 10 ms: the last one waits for nine.
    assert due.longest > closed.longest + 200.0


def test_calls_fail_while_the_server_is_unreachable_and_succeed_afterwards() -> None:
    _, outages = measured(REFERENCE, FLOOR, outage_s=0.5)
    for outage in outages:
        during = calls_during(outage)
        assert during
        assert not any(call.ok for call in during)
        assert outage.calls[0].ok
        assert outage.calls[-1].ok
        assert outage.succeeds_again_s is not None


def test_calls_fail_in_a_failover_until_the_replica_is_the_primary() -> None:
    _, (outage,) = measured(FLOOR, failover=True)
    during = calls_during(outage)
    assert during
    assert not any(call.ok for call in during)
    assert outage.calls[0].ok
    assert outage.calls[-1].ok


@pytest.mark.parametrize(("limit", "code"), [("1000", 0), ("0.001", 1)])
def test_the_limit_of_the_ratio_decides(tmp_path: Path, limit: str, code: int) -> None:
    words = ["bench", "--rounds", "5", "--calls", "20", "--max-p99-ratio", limit]
    ended = CliRunner().invoke(cli, [*words, "--out", str(tmp_path)])
    assert ended.exit_code == code, ended.output
    folder = tmp_path / "bench"
    found = json.loads((folder / "bench.json").read_text())
    assert {row["operation"] for row in found["rows"]} >= {"enqueue", "get_job", "claim"}
    assert "| enqueue | closed | subject | 1." in (folder / "bench.md").read_text()
    assert (folder / "latency-loopback.svg").read_text().startswith("<svg")
