"""The HTTP server of the API: requests in by h11, answers out, on the loop. Knows no proxy and no toxic.

The only module that imports h11, which the extra ``proxy`` installs.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from http import HTTPStatus

import h11
import msgspec

from midpipe.faultinject.net.loop import Loop, Timer
from midpipe.faultinject.net.stream import Stream
from midpipe.faultinject.toxiproxy.addresses import bound_to, listening
from midpipe.faultinject.toxiproxy.exchange import Answer, Request

_MOST_BODY_BYTES = 1 << 20
_MOST_HEAD_BYTES = 16_384
_LINGERS_S = 1.0
"""How long the connection stays open after its last answer: closing it while the client still sends would reset it, and
the client might lose the answer."""
_UNFINISHED = (h11.IDLE, h11.SEND_RESPONSE)

Answerer = Callable[[Request], Answer]


class HttpServer:
    """Listens for requests, and answers each at once. Close it with ``close``.

    Attributes:
        listen: the address that it listens on.

    Args:
        listen: an address as in ``addresses``. Port 0 lets the system choose one.
        answerer: returns the answer to a request.

    Raises:
        AddressError: it can't listen there.
    """

    def __init__(self, loop: Loop, listen: str, answerer: Answerer) -> None:
        self._loop = loop
        self._answerer = answerer
        self._connections: set[_Connection] = set()
        self._listener = listening(listen)
        self.listen = bound_to(self._listener)
        loop.watch_readable(self._listener, self._accept)

    def close(self) -> None:
        """Stop listening, and close every connection."""
        self._loop.forget(self._listener)
        self._listener.close()
        for connection in tuple(self._connections):
            connection.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(self._loop, client, self._answerer, self._connections.discard)
        self._connections.add(connection)


class _Connection:
    """One client of the API; it may send many requests."""

    def __init__(
        self,
        loop: Loop,
        client: socket.socket,
        answerer: Answerer,
        on_closed: Callable[[_Connection], None],
    ) -> None:
        self._loop = loop
        self._client = client
        self._answerer = answerer
        self._on_closed = on_closed
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD_BYTES)
        self._head: h11.Request | None = None
        self._body = b""
        self._is_ending = False
        self._linger: Timer | None = None
        self._stream = Stream(loop, client, self._data, self._drained)
        self._stream.read()

    def close(self) -> None:
        """Close the connection at once."""
        if self._linger is not None:
            self._linger.cancel()
        self._stream.close()
        self._on_closed(self)

    def _data(self, data: bytes) -> None:
        if self._is_ending:
            if not data:
                self.close()
            return
        try:
            self._http.receive_data(data)
            self._take_events()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))

    def _take_events(self) -> None:
        while not self._is_ending:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[]))
                return
            if isinstance(event, h11.Request):
                self._take_head(event)
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
                if len(self._body) > _MOST_BODY_BYTES:
                    self._refuse_body()
            elif isinstance(event, h11.EndOfMessage):
                self._answer()
            else:
                self._end()

    def _take_head(self, head: h11.Request) -> None:
        self._head, self._body = head, b""
        if len(head.target) + sum(len(name) + len(value) for name, value in head.headers) > (
            _MOST_HEAD_BYTES
        ):
            self._refuse(431, f"the request's head is larger than {_MOST_HEAD_BYTES} bytes")
        elif int(dict(head.headers).get(b"content-length", b"0")) > _MOST_BODY_BYTES:
            self._refuse_body()

    def _refuse_body(self) -> None:
        self._refuse(413, f"the request's body is larger than {_MOST_BODY_BYTES} bytes")

    def _answer(self) -> None:
        assert self._head is not None
        headers = {name.decode(): value.decode("latin-1") for name, value in self._head.headers}
        path = self._head.target.decode("ascii")
        request = Request(self._head.method.decode(), path, headers, self._body)
        answer = self._answerer(request)
        self._respond(answer.status, answer.headers, answer.body)
        if self._http.our_state is h11.MUST_CLOSE:
            self._end()
        elif self._http.our_state is h11.DONE:
            self._head = None
            self._http.start_next_cycle()

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that can't be read or is too large, and end the connection."""
        if self._http.our_state in _UNFINISHED:
            body = msgspec.json.encode({"error": message, "status": status})
            headers = (("Content-Type", "application/json"), ("Connection", "close"))
            self._respond(status, headers, body)
        self._end()

    def _respond(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        if status != HTTPStatus.NO_CONTENT:
            headers = (*headers, ("Content-Length", str(len(body))))
        reason = HTTPStatus(status).phrase
        self._write(h11.Response(status_code=status, headers=list(headers), reason=reason))
        if body and not (self._head is not None and self._head.method == b"HEAD"):
            self._write(h11.Data(data=body))
        self._write(h11.EndOfMessage())

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._stream.send(data)

    def _end(self) -> None:
        """End the connection once everything has been sent, and the client has stopped sending."""
        self._is_ending = True
        if self._stream.is_drained:
            self._drained()

    def _drained(self) -> None:
        if self._is_ending and self._linger is None:
            self._linger = self._loop.call_later(_LINGERS_S, self.close)
            try:
                self._client.shutdown(socket.SHUT_WR)
            except OSError:
                self.close()
