"""TEMPORARY"""
from __future__ import annotations
import socket
from dataclasses import dataclass
from faultinject.errors import ServerError
from faultinject.wire.resp import ErrorReply, ReplyReader, encode_command
@dataclass(frozen=True, slots=True)
class Address:
    path: str | None = None
    host: str = ""
    port: int = 0
class ReplyError(ServerError):
    code = ""
class Control:
    def __init__(self, address, password=None, username=None, database=0, timeout_s=5.0):
        self._s = socket.socket(socket.AF_UNIX); self._s.settimeout(timeout_s); self._s.connect(str(address.path)); self._r = ReplyReader()
    def call(self, *args):
        v = self.pipeline([args])[0]
        if isinstance(v, ErrorReply): raise ReplyError(v.message)
        return v
    def pipeline(self, commands):
        self._s.sendall(b"".join(encode_command(*c) for c in commands))
        out = []
        while len(out) < len(commands):
            r = self._r.next_reply()
            if r is None:
                d = self._s.recv(65536)
                if not d: raise ServerError("gone")
                self._r.feed(d)
            else: out.append(r.value)
        return tuple(out)
    def close(self): self._s.close()
