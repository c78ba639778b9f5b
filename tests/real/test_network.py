"""Queues through a real Toxiproxy and through midpipe's own: the reference passes, a flawed queue fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.node import Node
from midpipe.faultinject.servers.opening import ServerSpec, parse_server_spec
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.vocabulary import Address
from midpipe.scenarios.model.spec import REFERENCE, parse_subject
from midpipe.scenarios.model.verdict import Outcome
from midpipe.scenarios.network.placements import STANDING, NetworkFault, Shows, placed
from midpipe.scenarios.network.run import NetworkRun
from midpipe.scenarios.network.source import Via
from midpipe.scenarios.network.suite import NO_FAULT, NetworkResult
from midpipe.scenarios.programs.registry import program_named
from tests.real.toxiproxies import BOTH, api_of

EMBEDDED = parse_server_spec("embedded")
PLAIN_PIPELINE = "midpipe.scenarios.flaws.single:PlainPipeline"
OF_EACH_KIND = frozenset(
    {
        "latency-up",
        "jitter-down",
        "latency-beyond-time-out-down-warm",
        "bandwidth-up",
        "slicer-down",
        "timeout-down-warm",
        "reset-peer-down",
        "slow-close-up",
        "down-warm",
        "limit-data:1:EVALSHA:middle",
        "limit-data:1:EVALSHA:after",
        "limit-data:1:EVALSHA:reply-first-byte",
    }
)

# The first test may have to build a Toxiproxy.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", params=BOTH)
def api(request: pytest.FixtureRequest, run_directory: RunDirectory) -> Iterator[Address]:
    with api_of(request.param, run_directory) as address:
        yield address


def test_an_invalid_source_is_refused_before_anything_is_started() -> None:
    with pytest.raises(UsageError, match="--via takes"):
        Via("carrier-pigeon")
    with pytest.raises(UsageError, match="write host:port"):
        Via("midpipe", upstream="redis")


def suite(
    via: Via,
    subject: str = REFERENCE,
    program: str = "enqueue-with-request-id",
    only: frozenset[str] = frozenset(),
    server: ServerSpec = EMBEDDED,
) -> NetworkResult:
    spec = parse_subject(subject, patience_s=30.0)
    run = NetworkRun(
        server=server,
        subject=spec,
        program=program_named(program),
        via=via,
        bound_ms=5000.0,
        only=only,
    )
    with closing(run):
        for _ in run.run():
            pass
        return run.result()


def test_the_reference_passes_under_every_kind_of_network_fault(api: Address) -> None:
    result = suite(Via(f"http://{api}"), only=OF_EACH_KIND)
    assert {row.fault: row.outcome for row in result.rows} == dict.fromkeys(
        (NO_FAULT, *OF_EACH_KIND), Outcome.PASS
    )
    assert result.outcome is Outcome.PASS


def test_a_pipeline_without_multi_is_caught_when_it_is_cut_in_the_middle(api: Address) -> None:
    cut = frozenset({"limit-data:2:HSET:middle"})
    result = suite(Via(f"http://{api}"), PLAIN_PIPELINE, "enqueue", cut)
    assert result.outcome is Outcome.FAIL
    assert result.violated_invariants >= {"no-orphan", "answer-is-true"}


def test_a_queue_that_pushes_again_is_caught_when_only_the_reply_is_cut_off(api: Address) -> None:
    cut = frozenset({"limit-data:3:RPUSH:reply-first-byte"})
    result = suite(Via(f"http://{api}"), PLAIN_PIPELINE, "enqueue", cut)
    assert result.violated_invariants == {"no-duplicate"}


def test_byte_limits_are_placed_after_the_handshake() -> None:
    cut = frozenset({"limit-data:1:HSET:before"})
    result = suite(Via("midpipe"), PLAIN_PIPELINE, "enqueue", cut)
    # The whole handshake passed, and no byte of the call: so it raised, and certainly had no effect.
    assert result.rows[1].ended == ("enqueue fail", "enqueue ok")
    assert result.rows[1].outcome is Outcome.PASS


def test_the_toxiproxy_may_reach_the_server_by_another_address(
    api: Address, run_directory: RunDirectory
) -> None:
    node = Node(FromBinary(None, run_directory), arguments=())
    server = parse_server_spec(f"redis://127.0.0.1:{node.port}/0")
    via = Via(f"http://{api}", upstream=f"localhost:{node.port}", listen="localhost:0")
    result = suite(via, only=frozenset({"latency-up"}), server=server)
    node.stop()
    assert result.outcome is Outcome.PASS


def test_a_fault_that_was_not_observed_to_happen_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    idle = NetworkFault(name="idle", shows=Shows.CUT, toxics=(("noop", "downstream", {}),))
    monkeypatch.setattr("midpipe.scenarios.network.run.faults_for", lambda rig, program: (idle,))
    result = suite(Via("midpipe"))
    assert [(row.fault, row.outcome) for row in result.rows] == [
        (NO_FAULT, Outcome.PASS),
        ("idle", Outcome.UNKNOWN),
    ]
    assert result.outcome is Outcome.UNKNOWN


def test_a_misspelled_fault_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean 'latency-up'"):
        suite(Via("midpipe"), only=frozenset({"latensy-up"}))


def test_every_toxic_of_toxiproxy_is_in_the_suite() -> None:
    kinds = {kind for fault in (*STANDING, *placed(())) for kind, _, _ in fault.toxics}
    assert kinds | {"limit_data"} == {
        "latency",
        "bandwidth",
        "slicer",
        "timeout",
        "reset_peer",
        "slow_close",
        "limit_data",
    }
    assert any(fault.is_down for fault in STANDING)
