"""The HTTP server of ``midpipe proxy`` with clients that are slow, wrong or many; none of them delays another."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from midpipe.faultinject.vocabulary import Address
from tests.real.peers import FIN, seen_by
from tests.real.toxiproxies import midpipe_proxy

VERSION = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b'{"version":"2.12.0"}\n'


@pytest.fixture(scope="module")
def api() -> Iterator[Address]:
    with midpipe_proxy() as address:
        yield address


def opened(api: Address) -> socket.socket:
    return socket.create_connection((api.host, api.port), timeout=10)


def answer_to(api: Address, *pieces: bytes) -> bytes:
    """Send piece after piece on a new connection, and return all that is received until it ends or falls silent."""
    with opened(api) as client:
        for piece in pieces:
            client.sendall(piece)
        return seen_by(client, quiet_s=0.3).data


def test_a_connection_may_send_several_requests_also_at_once(api: Address) -> None:
    assert answer_to(api, VERSION, VERSION + VERSION).count(BODY) == 3


def test_a_request_may_arrive_byte_by_byte(api: Address) -> None:
    assert answer_to(api, *(VERSION[n : n + 1] for n in range(len(VERSION)))).endswith(BODY)


def test_a_body_may_be_chunked_and_wait_for_100_continue(api: Address) -> None:
    head = b"POST /proxies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    with opened(api) as client:
        client.sendall(head)
        # A client that sends the body at once gets no 100.
        assert client.recv(4096).startswith(b"HTTP/1.1 100")
        client.sendall(b"4\r\nnull\r\n0\r\n\r\n")
        assert b"missing required field: name" in seen_by(client, quiet_s=0.3).data


def test_bytes_that_are_no_http_are_refused_and_the_connection_is_closed(api: Address) -> None:
    with opened(api) as client:
        client.sendall(b"*1\r\n$4\r\nPING\r\n\r\n")
        seen = seen_by(client)
    assert seen.data.startswith(b"HTTP/1.1 400 ")
    assert seen.end == FIN


TOO_LARGE = {
    "a body, by its length": (
        b"POST /proxies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n",
        b"HTTP/1.1 413 ",
    ),
    "a body, as it arrives": (
        b"POST /proxies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 20,
        b"HTTP/1.1 413 ",
    ),
    "a header": (
        b"GET /version HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 431 ",
    ),
    "many headers": (
        b"GET /version HTTP/1.1\r\nHost: localhost\r\n" + b"X-Some: text\r\n" * 3_000 + b"\r\n",
        b"HTTP/1.1 431 ",
    ),
    "a path": (
        b"GET /proxies/" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"HTTP/1.1 431 ",
    ),
}


@pytest.mark.parametrize(("request_bytes", "begins"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_request_that_is_too_large_is_refused_with_a_reason(
    api: Address, request_bytes: bytes, begins: bytes
) -> None:
    with opened(api) as client:
        client.sendall(request_bytes)
        seen = seen_by(client)
    assert seen.data.startswith(begins)
    assert b"is larger than" in seen.data or b"too long" in seen.data
    assert seen.end == FIN


def test_a_request_for_another_host_is_refused(api: Address) -> None:
    head = b"GET /version HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    assert answer_to(api, head).startswith(b"HTTP/1.1 403 ")


def test_a_client_that_sends_half_a_request_delays_no_other(api: Address) -> None:
    with opened(api) as slow:
        slow.sendall(VERSION[:10])
        assert answer_to(api, VERSION).endswith(BODY)


def test_a_client_that_asks_for_it_is_answered_and_disconnected(api: Address) -> None:
    with opened(api) as client:
        client.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        seen = seen_by(client)
    assert (seen.data.endswith(BODY), seen.end) == (True, FIN)
