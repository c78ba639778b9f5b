"""A campaign on Dask: its merged verdict is that of a single machine, even if workers are killed in the middle."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import dask
import msgspec
import pytest
from click.testing import CliRunner
from distributed import LocalCluster

from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.main import cli
from midpipe.scenarios.campaign.campaign import Plan, Store
from midpipe.scenarios.campaign.merging import combined
from midpipe.scenarios.campaign.on_dask import DASK_SETTINGS, Where, parse_where, run_on
from midpipe.scenarios.campaign.shard_run import ShardResult
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.shard import Shard
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Verdict
from tests.real.processes import running_with
from tests.real.waiting import wait_until

# Dask's own threads and sockets end a moment after the cluster is closed.
pytestmark = pytest.mark.filterwarnings("default")
SHIPPED = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"
SWEEP = ("sweep", "--subject", SHIPPED, "--program", "enqueue-with-request-id")
SHARDS = tuple(Shard(number, 3) for number in (1, 2, 3))


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    with dask.config.set(DASK_SETTINGS), cluster:
        yield cluster


def on_one_machine() -> Verdict:
    options = Options(subject=SubjectSpec(SHIPPED), parts=("sweep",), programs=SWEEP[-1:], jobs=1)
    gate = Gate(options, lambda _: None)
    gate.run()
    return gate.verdict("", "", "")


def merged(results: list[ShardResult]) -> Verdict:
    return combined([msgspec.json.decode(result.verdict, type=Verdict) for result in results], "")


def counts(verdict: Verdict) -> tuple[object, ...]:
    rows = sorted(
        (row.program, row.fault, row.space, row.run, row.violated) for row in verdict.ledger
    )
    kinds = sorted((f.invariant, f.operation, f.cases) for f in verdict.findings)
    invariants = [(row.invariant, row.status, row.observations) for row in verdict.invariants]
    return verdict.outcome, rows, kinds, invariants


def kill_workers(cluster: LocalCluster) -> None:
    """Kill every worker; return when the shards that they ran have ended as well."""
    wait_until(lambda: bool(running_with("--shard")), 60)
    busy = set(running_with("--shard"))
    for nanny in cluster.workers.values():
        os.kill(nanny.pid, signal.SIGKILL)
    wait_until(lambda: not busy & set(running_with("--shard")), 30)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_worker_killed_in_the_middle_costs_no_result_and_makes_no_false_one(
    cluster: LocalCluster,
) -> None:
    results = []
    for result in run_on(Where(scheduler=cluster.scheduler_address), SWEEP, SHARDS):
        results.append(result)
        if len(results) == 1:
            kill_workers(cluster)
    assert {result.shard for result in results} == set(SHARDS)
    assert counts(merged(results)) == counts(on_one_machine())


def test_an_interrupted_campaign_resumes_with_the_shards_that_are_missing(tmp_path: Path) -> None:
    plan = Plan(SWEEP, 2, "1.0")
    store = Store(tmp_path, plan, resumes=False)
    store.add(Shard(2, 2), "{}")
    assert Store(tmp_path, plan, resumes=True).missing() == (Shard(1, 2),)
    with pytest.raises(UsageError, match="another campaign"):
        Store(tmp_path, Plan(SWEEP, 3, "1.0"), resumes=True)
    with pytest.raises(UsageError, match="no campaign to resume"):
        Store(tmp_path / "elsewhere", plan, resumes=True)
    assert Store(tmp_path, plan, resumes=False).missing() == plan.all()


def test_a_campaign_of_one_shard_is_judged_as_the_whole_run_that_it_is(tmp_path: Path) -> None:
    narrow = ("--program", "enqueue", "--fault", "cut-before", "--only", "no-lost-job")
    words = ("campaign", "--on", "local:1", "--shards", "1", "--out", str(tmp_path))
    ran = CliRunner().invoke(cli, [*words, "sweep", *narrow])
    assert ran.exit_code == 0, ran.output
    verdict = json.loads((tmp_path / "campaign" / "verdict.json").read_text())
    assert verdict["outcome"] == "pass"
    (row,) = verdict["progress"]
    cases = row["cases"]
    assert cases == verdict["parts"][0]["cases"] > 0
    assert f"shard 1/1 is done; in all 1: {cases} cases, 0 kinds of violation after" in ran.stderr
    assert f"shard 1/1: sweep (1 of 2) done: {cases} cases" in ran.stderr


def test_a_command_that_is_refused_is_refused_once(tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        cli,
        [
            *("campaign", "--on", "local:1", "--shards", "2", "--out", str(tmp_path)),
            *("sweep", "--faults", "9"),
        ],
    )
    assert isinstance(ran.exception, UsageError)
    assert "9 is not in the range" in str(ran.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("replay", "x"), "A campaign runs gate, sweep"),
        (("sweep", "--jobs", "2"), "A campaign sets --jobs itself"),
        (("sweep", "--out=x"), "A campaign sets --out itself"),
    ],
)
def test_a_command_that_has_no_shards_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Plan(arguments, 2, "1.0")


def test_where_the_workers_are_is_read_from_the_option() -> None:
    assert parse_where("local", 4) == Where(workers=4)
    assert parse_where("local:2", 4) == Where(workers=2)
    assert parse_where("dask://host:8786", 4) == Where(scheduler="tcp://host:8786")
    with pytest.raises(UsageError, match="--on takes"):
        parse_where("ray://host", 4)
