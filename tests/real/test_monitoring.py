"""The rules, alerts and dashboard of the reference: read by promtool, proven to fire and to keep still, and fed.

Needs Debian's package ``prometheus``, which has both programs; without it these tests are skipped, but not in CI.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from midpipe.reference.migration import Phase
from midpipe.reference.old_schema import Backfill
from midpipe.reference.telemetry import Telemetry
from tests.real.queues import LEGACY, job, queue_on
from tests.support.children import running
from tests.support.ports import free_port

MONITORING = Path(__file__).resolve().parents[2] / "reference" / "monitoring"
RULES = sorted(MONITORING.glob("*.yml"))
_RECORDED = re.compile(r"record: (\S+)")
_NAME = re.compile(r"\b(?:ai_|relay_|ai:)[a-z0-9_:]+")


@pytest.fixture(scope="module", params=["promtool"])
def promtool(request: pytest.FixtureRequest) -> Callable[..., subprocess.CompletedProcess[str]]:
    path = program(request.param)

    def run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [path, *words], input=given, capture_output=True, text=True, check=False
        )

    return run


def program(name: str) -> str:
    """Return the path of one of Prometheus's programs; skip the test without it, but not in CI."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{name} is missing: apt-get install prometheus")
    if path is None:
        pytest.skip(f"{name} is missing: apt-get install prometheus")
    return path


def metric_names() -> set[str]:
    """Return the name of every sample that a queue and a backfill make, and of every rule that records."""
    registry = CollectorRegistry()
    telemetry = Telemetry(registry)
    telemetry.record_dual_write_attempt("acme", "succeeded")
    telemetry.set_phase(Phase.OLD.value)
    with telemetry.timed("enqueue"):
        pass
    samples = {sample.name for family in registry.collect() for sample in family.samples}
    return samples | {name for file in RULES for name in _RECORDED.findall(file.read_text())}


def expressions() -> list[str]:
    """Return every expression of the dashboard, as Prometheus would get it."""
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return [
        target["expr"].replace("$__rate_interval", "5m")
        for panel in panels
        for target in panel["targets"]
    ]


def test_every_rule_can_be_read(promtool: Any) -> None:
    checked = promtool("check", "rules", *map(str, RULES))
    assert checked.returncode == 0, checked.stderr


def test_every_expression_of_the_dashboard_can_be_read(promtool: Any, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": expr} for n, expr in enumerate(expressions())]
    made = tmp_path / "panels.yml"
    made.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    checked = promtool("check", "rules", str(made))
    assert (checked.returncode, f"{len(rules)} rules found" in checked.stdout) == (0, True), (
        checked.stderr
    )


def test_every_metric_that_rules_and_dashboard_name_exists() -> None:
    texts = [*expressions(), *(file.read_text() for file in RULES)]
    named = {name for text in texts for name in _NAME.findall(text)} - {"ai:queue:dead"}
    assert named - metric_names() == set()


def test_the_metrics_keep_to_prometheus_conventions(promtool: Any) -> None:
    registry = CollectorRegistry()
    Telemetry(registry).record_dual_write_attempt("acme", "succeeded")
    text = "".join(
        line + "\n"
        for line in generate_latest(registry).decode().splitlines()
        # The time at which a counter was made is a gauge of its own, and the library's business.
        if "_created" not in line
    )
    checked = promtool("check", "metrics", given=text)
    assert (checked.returncode, checked.stderr) == (0, "")


OLD, _, READ_NEW, NEW = (f'ai_jobs_phase{{phase="{phase.value}"}}' for phase in Phase)
BUCKETS = ("0.01", "0.1", "+Inf")


def latency(*per_minute: str) -> dict[str, str]:
    """Return the buckets of enqueue's histogram: how many more fall into each, every minute."""
    return {
        f'ai_job_latency_seconds_bucket{{operation="enqueue",le="{bound}"}}': values
        for bound, values in zip(BUCKETS, per_minute, strict=True)
    }


@dataclass(frozen=True)
class Alerting:
    """Series that make an alert fire, and series close to them that don't; a value a minute."""

    alert: str
    fires: dict[str, str]
    keeps_still: dict[str, str]
    at: str = "1h"


ALERTING = (
    Alerting(
        "AiJobsDualWriteFailed",
        {'ai_jobs_dual_write_total{workspace_id="acme",result="failed"}': "0x55 1x10"},
        {
            'ai_jobs_dual_write_total{workspace_id="acme",result="failed"}': "7x70",
            'ai_jobs_dual_write_total{workspace_id="acme",result="succeeded"}': "0+9x70",
        },
    ),
    Alerting(
        "AiJobsDiverge", {"ai_jobs_divergent": "0x50 2x20"}, {"ai_jobs_divergent": "2x50 0x20"}
    ),
    Alerting(
        "AiJobsPhasesTooFarApart", {OLD: "1x70", NEW: "1x70"}, {READ_NEW: "1x70", NEW: "1x70"}
    ),
    Alerting(
        "AiJobsSlowerThanYesterday",
        latency("0+100x1440 144000+10x120", "0+100x1560", "0+100x1560"),
        latency("0+100x1560", "0+100x1560", "0+100x1560"),
        at="25h",
    ),
    Alerting(
        "AiJobsFallBack",
        {"ai_jobs_fallback_read_total": "0+1x150"},
        {"ai_jobs_fallback_read_total": "0+1x50 50x100"},
        at="140m",
    ),
    Alerting(
        "AiJobsNotVerified",
        {"ai_jobs_verified_timestamp_seconds": "1x1800", READ_NEW: "1x1800"},
        {"ai_jobs_verified_timestamp_seconds": "1x1800", NEW: "1x1800"},
        at="27h",
    ),
    Alerting(
        "AiJobsCallsRaise",
        {
            'ai_jobs_errors_total{operation="claim"}': "0+2x70",
            'ai_job_latency_seconds_count{operation="claim"}': "0+100x70",
        },
        {
            'ai_jobs_errors_total{operation="claim"}': "0+1x70",
            'ai_job_latency_seconds_count{operation="claim"}': "0+200x70",
        },
    ),
    Alerting("AiJobsQueueGrows", {"ai_queue_depth": "0+10x70"}, {"ai_queue_depth": "1000-10x70"}),
    Alerting(
        "AiJobsDeadLetters",
        {"ai_jobs_dead_letter_total": "0x55 1x10"},
        {"ai_jobs_dead_letter_total": "3x70"},
    ),
    Alerting(
        "AiJobsLeasesEnd",
        {"ai_leases_reclaimed_total": "0+1x70"},
        {"ai_leases_reclaimed_total": "0x20 1x50"},
    ),
)


def test_every_alert_is_proven() -> None:
    alerts = {name for file in RULES for name in re.findall(r"alert: (\w+)", file.read_text())}
    assert alerts == {alerting.alert for alerting in ALERTING}


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "keeps-still"])
@pytest.mark.parametrize("case", ALERTING, ids=lambda case: case.alert)
def test_the_alert(promtool: Any, tmp_path: Path, case: Alerting, fires: bool) -> None:
    series = case.fires if fires else case.keeps_still
    # How many alerts fire, whatever their labels; without the alert there is no such series at all.
    counted = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)'
    test = {
        "rule_files": [str(file) for file in RULES],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "promql_expr_test": [
                    {
                        "expr": counted,
                        "eval_time": case.at,
                        "exp_samples": [{"labels": "{}", "value": int(fires)}],
                    }
                ],
            }
        ],
    }
    made = tmp_path / "test.yml"
    made.write_text(json.dumps(test))
    run = promtool("test", "rules", str(made))
    assert run.returncode == 0, run.stdout + run.stderr


@dataclass
class Prometheus:
    """A Prometheus that is running."""

    url: str

    def value(self, query: str) -> float | None:
        """Return what a query says now; None if it has no value, or Prometheus does not answer yet."""
        asked = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(asked, timeout=30.0) as answer:
                found = json.load(answer)["data"]["result"]
        except (urllib.error.URLError, OSError):
            return None
        return float(found[0]["value"][1]) if found else None

    def wait_for(self, query: str, value: float, within_s: float = 60.0) -> float | None:
        """Ask until the answer is the value, or so long; return the last answer."""
        end_s = time.monotonic() + within_s
        while (found := self.value(query)) != value and time.monotonic() < end_s:
            time.sleep(0.05)
        return found


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(CollectorRegistry())


@pytest.fixture
def prometheus(telemetry: Telemetry, tmp_path: Path) -> Iterator[Prometheus]:
    """A real Prometheus that scrapes the telemetry's ``/metrics`` five times a second, with the rules loaded."""
    path, exporter, port = program("prometheus"), free_port(), free_port()
    stop_serving = telemetry.serve(exporter)
    targets = [{"targets": [f"127.0.0.1:{exporter}"]}]
    config = {
        "global": {"scrape_interval": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [str(file) for file in RULES],
        "scrape_configs": [{"job_name": "ai-jobs", "static_configs": targets}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    words = [
        path,
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        yield Prometheus(f"http://127.0.0.1:{port}")
    stop_serving()


def test_a_real_prometheus_sees_a_real_run(
    driver: Any, telemetry: Telemetry, prometheus: Prometheus
) -> None:
    driver.hset("ai:jobs:job-0", mapping=LEGACY)
    queue = queue_on(driver, telemetry=telemetry)
    for number in range(1, 4):
        queue.enqueue(**job(f"job-{number}"))
    queue.enqueue(**job("job-1"))
    queue.get_job("job-0", "acme")
    claimed = queue.claim("w-1")
    assert claimed is not None
    queue.complete(claimed["job_id"], "acme", claimed["lease_token"])
    Backfill(driver, telemetry=telemetry).verify()
    seen = {
        'ai_jobs_dual_write_total{workspace_id="acme",result="succeeded"}': 5.0,
        'ai_jobs_total{status="pending"}': 3.0,
        'ai_jobs_total{status="completed"}': 1.0,
        "ai_jobs_duplicate_total": 1.0,
        "ai_jobs_fallback_read_total": 1.0,
        'relay_job_read_path_total{path="old"}': 1.0,
        "ai_queue_depth": 2.0,
        "ai_jobs_divergent": 1.0,
        'ai_jobs_phase{phase="dual write, read new, fall back"}': 1.0,
        'count(ALERTS{alertname="AiJobsDiverge",alertstate="firing"})': 1.0,
    }
    assert {query: prometheus.wait_for(query, value) for query, value in seen.items()} == seen
