"""Watches on MONITOR which scripts touch keys that they did not declare, or send unpredictable commands."""

from __future__ import annotations

import re

from midpipe.faultinject.decide.predictable import is_predictable_in_script
from midpipe.faultinject.decide.pruning import EVERY_SCRIPT, Independence, script_called
from midpipe.faultinject.errors import ServerError
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.state import SNAPSHOT_SCRIPT

_LINE = re.compile(rb"[0-9.]+ \[\d+ (?P<sender>[^\]]+)\] (?P<words>.*)", re.DOTALL)
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_UNESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


class ScriptWatch:
    """Follows every command that the server runs, those of scripts among them. Close it with ``close``."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._monitor = rig.new_control()
        self._marks = 0
        self._is_refused = False
        self._unpredictable: set[str] = set()
        try:
            self._monitor.call("MONITOR")
        except ServerError:
            self._is_refused = True

    def update(self, known: Independence) -> bool:
        """Add what scripts did since the last call; return whether anything of it is new."""
        untrusted_scripts = self.untrusted_scripts() - known.untrusted_scripts
        unpredictable = self._unpredictable - known.unpredictable_scripts
        known.untrusted_scripts |= untrusted_scripts
        known.unpredictable_scripts |= unpredictable
        return bool(untrusted_scripts or unpredictable)

    def untrusted_scripts(self) -> set[str]:
        """Return the scripts that touched keys which they did not declare, since the last call.

        On a server that does not allow MONITOR: every script.
        """
        if self._is_refused:
            return {EVERY_SCRIPT}
        self._marks += 1
        mark = f"midpipe-mark-{self._marks}"
        self._rig.control.call("ECHO", mark)
        caller, declared = "", frozenset[bytes]()
        untrusted_scripts: set[str] = set()
        while True:
            line = str(self._monitor.next_value()).encode("utf-8", "surrogateescape")
            command = monitored_command(line)
            if command is None:
                continue
            by_script, words = command
            if words[:1] and words[0].upper() == b"ECHO" and words[-1] == mark.encode():
                return untrusted_scripts
            if by_script:
                touched = self._rig.table.touched(words)
                if caller and (touched is None or not declared >= set(touched)):
                    untrusted_scripts.add(caller)
                if caller and not is_predictable_in_script(words):
                    self._unpredictable.add(caller)
                continue
            caller = "" if SNAPSHOT_SCRIPT.encode() in words else script_called(words)
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
