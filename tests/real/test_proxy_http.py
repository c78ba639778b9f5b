"""The HTTP side of ``midpipe proxy`` under clients that are slow, wrong or many; one of them holds up no other."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from midpipe.faultinject.vocabulary import Address
from tests.real.peers import FIN, seen_by
from tests.real.toxiproxies import midpipe_proxy

VERSION = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b'{"version": "2.12.0"}\n'


@pytest.fixture(scope="module")
def api() -> Iterator[Address]:
    with midpipe_proxy() as address:
        yield address


def opened(api: Address) -> socket.socket:
    return socket.create_connection((api.host, api.port), timeout=10)


def answer_to(api: Address, *pieces: bytes) -> bytes:
    """Send piece after piece on a connection of its own, and return all that is sent until it ends or is quiet."""
    with opened(api) as visitor:
        for piece in pieces:
            visitor.sendall(piece)
        return seen_by(visitor, quiet_s=0.3).data


def test_a_connection_may_ask_again_and_again_and_several_times_at_once(api: Address) -> None:
    assert answer_to(api, VERSION, VERSION + VERSION).count(BODY) == 3


def test_a_request_may_come_byte_by_byte(api: Address) -> None:
    assert answer_to(api, *(VERSION[n : n + 1] for n in range(len(VERSION)))).endswith(BODY)


def test_a_body_may_come_in_chunks_and_ask_whether_it_may_come(api: Address) -> None:
    head = b"POST /proxies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    with opened(api) as visitor:
        visitor.sendall(head)
        # Whoever sends the body with its question is not answered it.
        assert visitor.recv(4096).startswith(b"HTTP/1.1 100")
        visitor.sendall(b"4\r\nnull\r\n0\r\n\r\n")
        assert b"missing required field: name" in seen_by(visitor, quiet_s=0.3).data


def test_what_is_not_http_is_refused_and_hung_up_on(api: Address) -> None:
    with opened(api) as visitor:
        visitor.sendall(b"*1\r\n$4\r\nPING\r\n\r\n")
        seen = seen_by(visitor)
    assert seen.data.startswith(b"HTTP/1.1 400 ")
    assert seen.end == FIN


def test_a_body_beyond_all_measure_is_refused(api: Address) -> None:
    head = b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
    assert answer_to(api, head + b"x" * 1_100_000).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_sends_half_a_request_holds_up_nobody(api: Address) -> None:
    with opened(api) as slow:
        slow.sendall(VERSION[:10])
        assert answer_to(api, VERSION).endswith(BODY)


def test_a_closing_client_is_answered_and_hung_up_on(api: Address) -> None:
    with opened(api) as visitor:
        visitor.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        seen = seen_by(visitor)
    assert (seen.data.endswith(BODY), seen.end) == (True, FIN)
