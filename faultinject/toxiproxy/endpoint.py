"""The HTTP side of the API: requests in by h11, answers out, on the loop. Knows no proxy and no toxic."""

from __future__ import annotations

import socket
from collections.abc import Callable

import h11

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.outbox import Outbox
from midpipe.faultinject.toxiproxy.addresses import bound_to, listening
from midpipe.faultinject.toxiproxy.exchange import Answer, Request

_READ_BYTES = 65536
_MOST_BODY_BYTES = 1 << 20
_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    301: "Moved Permanently",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
}
Answerer = Callable[[Request], Answer]


class HttpEndpoint:
    """Listens for requests, and has each answered at once. Close it with ``close``.

    Args:
        listen: an address as in ``addresses``.
    """

    def __init__(self, loop: Loop, listen: str, answerer: Answerer) -> None:
        self._loop = loop
        self._answerer = answerer
        self._visitors: set[_Visitor] = set()
        self._requests = 0
        self._listener = listening(listen)
        self.listen = bound_to(self._listener)
        loop.watch_readable(self._listener, self._accept)

    def close(self) -> None:
        """Listen no more, and hang up."""
        self._loop.forget(self._listener)
        self._listener.close()
        for visitor in tuple(self._visitors):
            visitor.close()

    def _accept(self) -> None:
        try:
            visitor, _ = self._listener.accept()
        except OSError:
            return
        visitor.setblocking(False)
        visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._visitors.add(_Visitor(self._loop, visitor, self._answered, self._visitors.discard))

    def _answered(self, request: Request) -> tuple[Answer, str]:
        self._requests += 1
        return self._answerer(request), f"{self._requests:020d}"


class _Visitor:
    """One client of the API; it may ask again and again."""

    def __init__(
        self,
        loop: Loop,
        visitor: socket.socket,
        answered: Callable[[Request], tuple[Answer, str]],
        gone: Callable[[_Visitor], None],
    ) -> None:
        self._loop = loop
        self._socket = visitor
        self._answered = answered
        self._gone = gone
        self._http = h11.Connection(h11.SERVER)
        self._outbox = Outbox(loop, visitor, self._sent, self.close)
        self._is_over = False
        self._is_open = True
        self._head: h11.Request | None = None
        self._body = b""
        loop.watch_readable(visitor, self._readable)

    def close(self) -> None:
        """Hang up."""
        if self._is_open:
            self._is_open = False
            self._loop.forget(self._socket)
            self._socket.close()
            self._gone(self)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            self._http.receive_data(data)
            self._listen()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint)

    def _listen(self) -> None:
        while self._is_open:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[]))
                return
            if isinstance(event, h11.Request):
                self._head, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
                if len(self._body) > _MOST_BODY_BYTES:
                    self._refuse(413)
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._answer()
            else:
                self._end()
                return

    def _answer(self) -> None:
        assert self._head is not None
        head = self._head
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        request = Request(head.method.decode(), head.target.decode("ascii"), headers, self._body)
        answer, number = self._answered(request)
        found = list(answer.headers)
        if answer.is_handled:
            found.append(("X-Toxiproxy-Request-Id", number))
        if answer.status != 204:
            found.append(("Content-Length", str(len(answer.body))))
        body = b"" if head.method == b"HEAD" else answer.body
        self._respond(answer.status, found, body)
        if self._http.our_state is h11.MUST_CLOSE:
            self._end()
        elif self._http.our_state is h11.DONE:
            self._http.start_next_cycle()

    def _refuse(self, status: int) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._respond(status, [("Connection", "close"), ("Content-Length", "0")], b"")
        self._end()

    def _respond(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        reason = _REASONS.get(status, "")
        self._write(h11.Response(status_code=status, headers=headers, reason=reason))
        if body:
            self._write(h11.Data(data=body))
        self._write(h11.EndOfMessage())

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._outbox.send(data)

    def _end(self) -> None:
        """Hang up once everything has been sent."""
        self._is_over = True
        if self._outbox.is_empty:
            self.close()
        else:
            self._loop.forget_readable(self._socket)

    def _sent(self) -> None:
        if self._is_over:
            self.close()
