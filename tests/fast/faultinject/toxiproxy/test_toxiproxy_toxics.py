"""The toxics and their chains without a socket: which bytes come out, in which order and when."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.toxiproxy.api_state import ToxicSpec
from midpipe.faultinject.toxiproxy.chain import Chain
from midpipe.faultinject.toxiproxy.toxics import TOXICS

PACES: Mapping[str, dict[str, int]] = {
    "latency": {"latency": 20, "jitter": 15},
    "bandwidth": {"rate": 1},
    "slow_close": {"delay": 30},
    "slicer": {"average_size": 3, "size_variation": 2, "delay": 500},
    "noop": {},
}
FOR_EVER_S = 10_000.0


def spec(kind: str, name: str = "", toxicity: float = 1.0, **attributes: int) -> ToxicSpec:
    given_or_not = dict.fromkeys(TOXICS[kind].attributes, 0) | attributes
    return ToxicSpec(name or kind, kind, toxicity=toxicity, attributes=given_or_not)


def chain_of(*specs: ToxicSpec, seed: int = 0) -> Chain:
    return Chain(specs, TOXICS.__getitem__, lambda name: Random(f"{seed} {name}").random, now_s=0.0)


def everything(chain: Chain, now_s: float = 0.0) -> list[tuple[float, bytes]]:
    """Return what comes out and when, moving the clock to whatever is due next."""
    found: list[tuple[float, bytes]] = []
    while True:
        chain.advance(now_s)
        while chain.output:
            found.append((round(now_s, 6), chain.output.popleft()))
            chain.advance(now_s)
        due_s = chain.due_s
        if due_s is None or due_s > FOR_EVER_S:
            return found
        now_s = max(now_s, due_s)


def fed(chain: Chain, *chunks: bytes, ends: bool = True) -> list[tuple[float, bytes]]:
    for chunk in chunks:
        chain.feed(chunk, 0.0)
    if ends:
        chain.feed(None, 0.0)
    return everything(chain)


def bytes_of(found: list[tuple[float, bytes]]) -> bytes:
    return b"".join(data for _, data in found)


PACED = st.sampled_from(sorted(PACES)).map(lambda kind: (kind, PACES[kind]))
CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


@given(st.lists(PACED, max_size=4), CHUNKS, st.integers(0, 9))
def test_only_the_lossy_toxics_lose_bytes_and_none_reorders_them(
    kinds: list[tuple[str, dict[str, int]]], chunks: list[bytes], seed: int
) -> None:
    specs = [spec(kind, f"{kind}{n}", **more) for n, (kind, more) in enumerate(kinds)]
    chain = chain_of(*specs, seed=seed)
    assert bytes_of(fed(chain, *chunks)) == b"".join(chunks)
    assert chain.has_ended


@given(
    st.lists(PACED, min_size=1, max_size=3),
    CHUNKS,
    st.lists(
        st.tuples(st.sampled_from(["add", "update", "remove"]), st.integers(0, 3)), max_size=6
    ),
)
def test_no_change_of_the_chain_loses_or_reorders_a_byte(
    kinds: list[tuple[str, dict[str, int]]], chunks: list[bytes], changes: list[tuple[str, int]]
) -> None:
    specs = [spec(kind, f"{kind}{n}", **more) for n, (kind, more) in enumerate(kinds)]
    chain = chain_of(*specs)
    found = b""
    for number, chunk in enumerate(chunks):
        now_s = number * 0.007
        chain.feed(chunk, now_s)
        chain.advance(now_s)
        if number < len(changes):
            what, which = changes[number]
            if what == "add":
                chain.add(spec("latency", f"more{number}", latency=9), now_s)
            elif what == "update":
                chain.update(specs[which % len(specs)], now_s)
            else:
                chain.remove(specs[which % len(specs)].name, now_s)
        while chain.output:
            found += chain.output.popleft()
    chain.feed(None, 1.0)
    assert found + bytes_of(everything(chain, 1.0)) == b"".join(chunks)
    assert chain.has_ended


@given(st.binary(max_size=60), st.integers(0, 70), st.data())
def test_limit_data_passes_the_same_bytes_however_they_are_split(
    data: bytes, limit: int, draw: st.DataObject
) -> None:
    cut = draw.draw(st.integers(0, len(data)))
    chain = chain_of(spec("limit_data", bytes=limit))
    chunks = [chunk for chunk in (data[:cut], data[cut:]) if chunk]
    assert bytes_of(fed(chain, *chunks)) == data[:limit]
    assert chain.has_ended


@given(
    st.binary(min_size=1, max_size=300), st.integers(1, 20), st.integers(0, 40), st.integers(0, 9)
)
def test_a_slicer_cuts_into_pieces_no_larger_than_its_sizes_allow(
    data: bytes, average: int, variation: int, seed: int
) -> None:
    chain = chain_of(spec("slicer", average_size=average, size_variation=variation), seed=seed)
    pieces = [piece for _, piece in fed(chain, data)]
    assert b"".join(pieces) == data
    assert max(len(piece) for piece in pieces) <= average + variation


def test_a_slicer_without_an_average_size_passes_bytes_unsliced() -> None:
    assert fed(chain_of(spec("slicer")), b"abc", b"def") == [(0.0, b"abc"), (0.0, b"def")]


def test_latency_is_counted_from_arrival_so_that_a_waiting_chunk_is_not_delayed_twice() -> None:
    chain = chain_of(spec("latency", latency=100))
    chain.feed(b"a", 0.0)
    chain.feed(b"b", 0.03)
    assert everything(chain, 0.03) == [(0.1, b"a"), (0.13, b"b")]


def test_two_latencies_add_up() -> None:
    chain = chain_of(spec("latency", "one", latency=100), spec("latency", "two", latency=50))
    assert fed(chain, b"a") == [(0.15, b"a")]


@given(st.integers(0, 50))
def test_jitter_stays_within_its_bounds(seed: int) -> None:
    (at_s, _), *_ = fed(chain_of(spec("latency", latency=100, jitter=40), seed=seed), b"a")
    assert 0.06 <= at_s <= 0.14


def test_bandwidth_passes_a_slice_each_tenth_of_a_second() -> None:
    found = fed(chain_of(spec("bandwidth", rate=1)), b"x" * 250)
    assert found == [(0.1, b"x" * 100), (0.2, b"x" * 100), (0.25, b"x" * 50)]


def test_a_bandwidth_of_0_holds_everything_until_it_is_changed() -> None:
    chain = chain_of(spec("bandwidth"))
    assert fed(chain, b"x" * 9) == []
    chain.update(spec("bandwidth", rate=100), 5.0)
    assert bytes_of(everything(chain, 5.0)) == b"x" * 9


def test_slow_close_delays_the_end_and_nothing_else() -> None:
    chain = chain_of(spec("slow_close", delay=200))
    chain.feed(b"a", 0.0)
    chain.feed(None, 0.0)
    chain.advance(0.1)
    assert (list(chain.output), chain.has_ended, chain.due_s) == ([b"a"], False, 0.2)
    chain.advance(0.2)
    assert chain.has_ended


def test_timeout_drops_bytes_and_ends_the_stream_once_nothing_has_arrived_for_its_timeout() -> None:
    chain = chain_of(spec("timeout", timeout=100))
    chain.feed(b"a", 0.06)
    chain.advance(0.06)
    assert (list(chain.output), chain.due_s) == ([], 0.16)
    chain.advance(0.16)
    assert chain.has_ended


def test_a_timeout_of_0_never_ends_until_it_is_removed() -> None:
    chain = chain_of(spec("timeout"))
    assert fed(chain, b"a", ends=False) == []
    assert not chain.has_ended
    chain.remove("timeout", 1.0)
    assert chain.has_ended


@pytest.mark.parametrize("kind", ["latency", "bandwidth", "slicer"])
def test_the_chunks_that_a_toxic_holds_pass_at_once_when_it_is_removed(kind: str) -> None:
    slow = {"latency": 9000, "rate": 1, "average_size": 2, "delay": 9_000_000}
    attributes = {name: value for name, value in slow.items() if name in TOXICS[kind].attributes}
    chain = chain_of(spec(kind, kind, 1.0, **attributes))
    chain.feed(b"abcdef" * 50, 0.0)
    chain.advance(0.0)
    came = bytes_of([(0.0, chain.output.popleft()) for _ in range(len(chain.output))])
    chain.remove(kind, 0.0)
    assert came + b"".join(chain.output) == b"abcdef" * 50


def test_reset_peer_drops_bytes_and_ends_the_stream_after_its_timeout() -> None:
    chain = chain_of(spec("reset_peer", timeout=50))
    chain.feed(b"a", 0.0)
    chain.advance(0.04)
    assert not chain.has_ended
    chain.advance(0.05)
    assert (list(chain.output), chain.has_ended) == ([], True)


def test_a_toxicity_of_0_never_acts_and_of_1_always() -> None:
    never = [fed(chain_of(spec("limit_data", toxicity=0.0), seed=n), b"a") for n in range(20)]
    always = [fed(chain_of(spec("limit_data", toxicity=1.0), seed=n), b"a") for n in range(20)]
    assert (never, always) == ([[(0.0, b"a")]] * 20, [[]] * 20)


def test_toxicity_is_drawn_for_each_connection_and_the_same_seed_draws_the_same() -> None:
    def acted() -> list[bool]:
        return [
            not fed(chain_of(spec("limit_data", toxicity=0.5), seed=n), b"a") for n in range(40)
        ]

    first = acted()
    assert {*first} == {True, False}
    assert acted() == first


def test_a_slow_stage_stops_the_reading_before_it() -> None:
    chain = chain_of(spec("bandwidth", rate=1))
    chain.feed(b"x" * 1000, 0.0)
    chain.advance(0.0)
    assert chain.wants_input
    chain.feed(b"x" * 1000, 0.0)
    chain.advance(0.0)
    assert not chain.wants_input


def test_output_that_is_not_taken_stops_the_stages_before_it() -> None:
    chain = chain_of(spec("noop"))
    for _ in range(20):
        if chain.wants_input:
            chain.feed(b"x", 0.0)
            chain.advance(0.0)
    assert len(chain.output) < 20
    assert not chain.wants_input
