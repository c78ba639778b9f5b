"""Every order of a program's clients, and what the reduction takes on trust, looked after.

The interleaver leaves out orders of commands that commute, and orders whose course it foresees; in both it takes a
script at its word about its keys. As soon as a script has been met, every further command is listened to on the
server's own MONITOR. A script that is seen to touch another key commutes with nothing from then on, one that sends a
command which can't be foreseen ends all foresight, and the exploration begins anew; so what it ends with was left out
for good reason. A server that does not let itself be listened to has no script believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from midpipe.faultinject.decide.interleave import Frontier, Interleave
from midpipe.faultinject.decide.ledger import Ledger
from midpipe.faultinject.decide.predictable import is_predictable_in_script
from midpipe.faultinject.decide.pruning import EVERY_SCRIPT, Independence, script_called
from midpipe.faultinject.errors import ServerError
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.state import SNAPSHOT_SCRIPT
from midpipe.scenarios.programs.program import Program

_LINE = re.compile(rb"[0-9.]+ \[\d+ (?P<who>[^\]]+)\] (?P<words>.*)", re.DOTALL)
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
Plan = Callable[[Independence, Frontier | None], Interleave]


class Orders:
    """Explores the orders of one program.

    Args:
        plan: makes the interleaver, given what commutes and where to go on from.
        frontier: where an earlier exploration was stopped.

    Attributes:
        planner: the interleaver at work; its ledger counts what it ran.
    """

    def __init__(
        self,
        rig: Rig,
        program: Program,
        plan: Plan,
        latency_bound_ms: float,
        frontier: Frontier | None = None,
    ) -> None:
        self._rig = rig
        self._program = program
        self._plan = plan
        self._bound_ms = latency_bound_ms
        known = frontier or Frontier((), Ledger())
        self._independence = Independence(
            known.untrusted_scripts, known.trusted_scripts, known.unpredictable_scripts
        )
        self.planner = plan(self._independence, frontier)

    def cases(self) -> Iterator[CaseEnded]:
        """Run case after case; none is reported twice, though it may have to be run again."""
        told: set[str] = set()
        watch = ScriptWatch(self._rig) if self._independence.trusted_scripts else None
        try:
            while True:
                begins_anew = False
                for ended in explore(
                    self._rig, self._program, self.planner, latency_bound_ms=self._bound_ms
                ):
                    if ended.replay not in told:
                        told.add(ended.replay)
                        yield ended
                    if self._independence.trusted_scripts and watch is None:
                        watch, begins_anew = ScriptWatch(self._rig), True
                        break
                    if watch is not None and watch.tells_news_to(self._independence):
                        begins_anew = True
                        break
                if not begins_anew:
                    return
                self.planner = self._plan(self._independence, None)
        finally:
            if watch is not None:
                watch.close()


class ScriptWatch:
    """Listens to every command that the server runs, those of scripts among them."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._monitor = rig.new_control()
        self._marks = 0
        self._deaf = False
        self._unpredictable: set[str] = set()
        try:
            self._monitor.call("MONITOR")
        except ServerError:
            self._deaf = True

    def tells_news_to(self, known: Independence) -> bool:
        """Add what has been heard since the last call; return whether there was anything new."""
        untrusted_scripts = self.untrusted_scripts() - known.untrusted_scripts
        unpredictable_scripts = self._unpredictable - known.unpredictable_scripts
        known.untrusted_scripts |= untrusted_scripts
        known.unpredictable_scripts |= unpredictable_scripts
        return bool(untrusted_scripts or unpredictable_scripts)

    def untrusted_scripts(self) -> set[str]:
        """Return the scripts that have been seen to touch keys which they did not declare, since the last call.

        Of a server that does not let itself be listened to: every script.
        """
        if self._deaf:
            # Nothing to go by, so none is believed.
            return {EVERY_SCRIPT}
        self._marks += 1
        mark = f"midpipe-mark-{self._marks}"
        self._rig.control.call("ECHO", mark)
        caller, declared = "", frozenset[bytes]()
        found: set[str] = set()
        while True:
            heard = heard_from(str(self._monitor.next_value()).encode("utf-8", "surrogateescape"))
            if heard is None:
                continue
            inside, words = heard
            if words[:1] and words[0].upper() == b"ECHO" and words[-1] == mark.encode():
                return found
            if inside:
                touched = self._rig.table.touched(words)
                if caller and (touched is None or not declared >= set(touched)):
                    found.add(caller)
                if caller and not is_predictable_in_script(words):
                    self._unpredictable.add(caller)
                continue
            caller = "" if SNAPSHOT_SCRIPT.encode() in words else script_called(words)
            declared = frozenset(self._rig.table.keys(words) or ())

    def close(self) -> None:
        self._monitor.close()


def heard_from(line: bytes) -> tuple[bool, tuple[bytes, ...]] | None:
    """Return of a line of MONITOR whether a script sent the command, and its words; None if it is no such line."""
    match = _LINE.match(line)
    if match is None:
        return None
    words = tuple(_ESCAPE.sub(_plain, word) for word in _WORD.findall(match["words"]))
    return match["who"] == b"lua", words


def _plain(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    if len(code) == 3:
        return bytes([int(code[1:], 16)])
    return _PLAIN.get(code, code)
