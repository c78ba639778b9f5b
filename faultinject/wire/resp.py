"""TEMPORARY"""
from __future__ import annotations
from dataclasses import dataclass, field
class ProtocolError(ValueError):
    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at byte {offset})"); self.offset = offset
@dataclass(frozen=True, slots=True)
class Command:
    args: tuple[bytes, ...]
    raw: bytes
    inline: bool
    @property
    def name(self) -> bytes: return self.args[0].upper()
class CommandReader:
    def __init__(self) -> None: self._b = b""
    def feed(self, data: bytes) -> None: self._b += data
    def next_command(self) -> Command | None:
        b = self._b
        if not b: return None
        end = b.find(b"\r\n")
        if end < 0: return None
        n = int(b[1:end]); pos = end + 2; args = []
        for _ in range(n):
            end = b.find(b"\r\n", pos)
            if end < 0: return None
            size = int(b[pos+1:end]); pos = end + 2
            if len(b) < pos + size + 2: return None
            args.append(b[pos:pos+size]); pos += size + 2
        self._b = b[pos:]
        return Command(tuple(args), b[:pos], False)
@dataclass(frozen=True, slots=True)
class ErrorReply:
    message: str
    @property
    def code(self) -> str: return self.message.split(" ")[0]
@dataclass(frozen=True, slots=True)
class MapReply:
    pairs: tuple[tuple[object, object], ...]
    def as_dict(self) -> dict[object, object]: return dict(self.pairs)
@dataclass(frozen=True, slots=True)
class Reply:
    value: object
    raw: bytes
    kind: bytes
    @property
    def is_push(self) -> bool: return self.kind == b">"
    @property
    def is_error(self) -> bool: return self.kind in b"-!"
class _More(Exception): pass
class ReplyReader:
    def __init__(self) -> None: self._b = b""
    def feed(self, data: bytes) -> None: self._b += data
    def next_reply(self) -> Reply | None:
        if not self._b: return None
        try: value, pos = self._parse(0)
        except _More: return None
        raw, self._b = self._b[:pos], self._b[pos:]
        return Reply(value, raw, raw[:1])
    def _parse(self, pos: int) -> tuple[object, int]:
        b = self._b
        end = b.find(b"\r\n", pos)
        if end < 0: raise _More
        k = b[pos:pos+1]; line = b[pos+1:end]; pos = end + 2
        if k == b"+": return line.decode(), pos
        if k == b"-": return ErrorReply(line.decode()), pos
        if k == b":": return int(line), pos
        if k == b"_": return None, pos
        if k == b"#": return line == b"t", pos
        if k == b",": return float(line), pos
        if k == b"$":
            n = int(line)
            if n < 0: return None, pos
            if len(b) < pos + n + 2: raise _More
            return b[pos:pos+n], pos + n + 2
        n = int(line)
        if n < 0: return None, pos
        if k == b"%":
            pairs = []
            for _ in range(n):
                key, pos = self._parse(pos); v, pos = self._parse(pos); pairs.append((key, v))
            return MapReply(tuple(pairs)), pos
        items = []
        for _ in range(n):
            v, pos = self._parse(pos); items.append(v)
        return tuple(items), pos
def encode_command(*args: bytes | str | int | float) -> bytes:
    out = [b"*%d\r\n" % len(args)]
    for a in args:
        w = a if isinstance(a, bytes) else str(a).encode()
        out.append(b"$%d\r\n%b\r\n" % (len(w), w))
    return b"".join(out)
