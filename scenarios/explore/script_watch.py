"""Watches on MONITOR which scripts touch keys that they did not declare, or send unpredictable commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from midpipe.faultinject.decide.predictable import is_predictable_in_script
from midpipe.faultinject.decide.pruning import EVERY_SCRIPT, Independence, script_called
from midpipe.faultinject.errors import ServerError
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.state import SNAPSHOT_SCRIPT

_LINE = re.compile(rb"[0-9.]+ \[\d+ (?P<sender>[^\]]+)\] (?P<words>.*)", re.DOTALL)
_BY_SCRIPT = re.compile(rb"[0-9.]+ \[\d+ lua\] ")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_UNESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_ESCAPED = {value: b"\\" + code for code, value in _UNESCAPED.items()} | {
    b'"': b'\\"',
    b"\\": b"\\\\",
}


def escaped(word: bytes) -> bytes:
    """Return a word as a line of MONITOR shows it, without its quotes."""
    bytes_of_word = (word[number : number + 1] for number in range(len(word)))
    return b"".join(
        _ESCAPED.get(byte) or (byte if 0x20 <= ord(byte) < 0x7F else b"\\x%02x" % ord(byte))
        for byte in bytes_of_word
    )


_SNAPSHOT = escaped(SNAPSHOT_SCRIPT.encode())


class ScriptWatch:
    """Follows every command that the server runs, those of scripts among them. Close it with ``close``."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._marks = 0
        self._unpredictable: set[str] = set()
        self._open()

    def _open(self) -> None:
        self._monitor = self._rig.operator.new_control()
        self._lines: Iterator[bytes] | None = None
        with suppress(ServerError):
            self._lines = self._monitor.monitor()

    def update(self, known: Independence) -> bool:
        """Add what scripts did since the last call; return whether anything of it is new."""
        try:
            seen = self.untrusted_scripts()
        except ServerError:
            # The server was started again after a case went wrong. That case is invalid, so it needs no watching.
            self._monitor.close()
            self._open()
            seen = self.untrusted_scripts()
        untrusted_scripts = seen - known.untrusted_scripts
        unpredictable = self._unpredictable - known.unpredictable_scripts
        known.untrusted_scripts |= untrusted_scripts
        known.unpredictable_scripts |= unpredictable
        return bool(untrusted_scripts or unpredictable)

    def untrusted_scripts(self) -> set[str]:
        """Return the scripts that touched keys which they did not declare, since the last call.

        On a server that does not allow MONITOR: every script.
        """
        if self._lines is None:
            return {EVERY_SCRIPT}
        self._marks += 1
        mark = f"midpipe-mark-{self._marks}"
        self._rig.control.call("ECHO", mark)
        caller, declared = "", frozenset[bytes]()
        untrusted_scripts: set[str] = set()
        while True:
            line = next(self._lines)
            # Most lines are of midpipe's own snapshots; they are not judged, and so they are not parsed.
            if not caller and _BY_SCRIPT.match(line):
                continue
            if _SNAPSHOT in line:
                caller = ""
                continue
            command = monitored_command(line)
            if command is None:
                continue
            by_script, words = command
            if words[:1] and words[0].upper() == b"ECHO" and words[-1] == mark.encode():
                return untrusted_scripts
            if by_script:
                touched = self._rig.table.touched(words)
                if touched is None or not declared >= set(touched):
                    untrusted_scripts.add(caller)
                if not is_predictable_in_script(words):
                    self._unpredictable.add(caller)
                continue
            caller = script_called(words)
            declared = frozenset(self._rig.table.keys(words) or ())

    def close(self) -> None:
        """Close the connection that MONITOR runs on."""
        self._monitor.close()


def monitored_command(line: bytes) -> tuple[bool, tuple[bytes, ...]] | None:
    """Return whether a script sent the command of a line of MONITOR, and its words; None if it is no such line."""
    match = _LINE.match(line)
    if match is None:
        return None
    words = tuple(_ESCAPE.sub(_unescaped, word) for word in _WORD.findall(match["words"]))
    return match["sender"] == b"lua", words


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    if len(code) == 3:
        return bytes([int(code[1:], 16)])
    return _UNESCAPED.get(code, code)
