"""TEMPORARY"""
from __future__ import annotations
from dataclasses import dataclass
from collections.abc import Mapping
@dataclass(frozen=True, slots=True)
class CommandSpec:
    name: bytes; arity: int; flags: frozenset[str]; first_key: int; last_key: int; step: int
def parse_command_table(reply):
    out = {}
    for e in reply:
        name = e[0].upper() if isinstance(e[0], bytes) else e[0].upper().encode()
        out[name] = CommandSpec(name, e[1], frozenset(f if isinstance(f,str) else f.decode() for f in e[2]), e[3], e[4], e[5])
    return out
_SETUP = frozenset((b"HELLO", b"AUTH", b"SELECT", b"CLIENT", b"READONLY", b"READWRITE", b"RESET", b"QUIT", b"COMMAND"))
@dataclass(frozen=True)
class CommandTable:
    specs: Mapping[bytes, CommandSpec]
    def is_setup(self, args): return args[0].upper() in _SETUP
    def is_write(self, args):
        n = args[0].upper()
        if n in (b"EVAL", b"EVALSHA", b"FCALL"): return True
        if n == b"EXEC": return False
        s = self.specs.get(n)
        return s is None or "write" in s.flags
    def is_blocking(self, args):
        s = self.specs.get(args[0].upper()); return bool(s and "blocking" in s.flags)
    def keys(self, args):
        n = args[0].upper()
        if n in (b"EVAL", b"EVALSHA"):
            k = int(args[2]); return tuple(args[3:3+k])
        s = self.specs.get(n)
        if s is None: return None
        if not s.first_key: return ()
        last = s.last_key if s.last_key >= 0 else len(args) + s.last_key
        return tuple(args[s.first_key:last+1:s.step])
def key_pattern(key: bytes, keep: int = 2) -> str:
    words = key.decode("utf-8", "backslashreplace").split(":")
    return ":".join(w if w.isalpha() and w.islower() and i < 3 else "*" for i, w in enumerate(words))
