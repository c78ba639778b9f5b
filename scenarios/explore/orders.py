"""Explores every order of a program's clients, and checks what the reduction assumes of scripts.

The interleaver leaves out orders of commands that commute, and orders whose outcome it can predict. In both it assumes
that a script touches the keys that it declares and no other. So, once a script has been sent, by a run before the
exploration or in it, every further command is checked on the server's own MONITOR. From then on a script that touched
another key commutes with nothing, and one that sent an unpredictable command ends all prediction, and the exploration
starts over. So whatever is left out in the end was left out for a good reason. On a server that does not allow MONITOR
no script is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.ledger import Ledger
from midpipe.faultinject.decide.pruning import Independence
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.script_watch import ScriptWatch
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.programs.program import Program

Plan = Callable[[Independence, Frontier | None], Interleave]


class Orders:
    """Explores the orders of one program.

    Args:
        plan: makes the interleaver, given what commutes and where to resume.
        frontier: where an earlier exploration stopped.
        is_over: as in ``explore``.

    Attributes:
        planner: the current interleaver; its ledger counts what was run.
    """

    def __init__(
        self,
        rig: Rig,
        program: Program,
        plan: Plan,
        latency_bound_ms: float,
        *,
        frontier: Frontier | None = None,
        is_over: Callable[[], bool] = bool,
    ) -> None:
        self._is_over = is_over
        self._rig = rig
        self._program = program
        self._plan = plan
        self._bound_ms = latency_bound_ms
        known = frontier or Frontier(branches=(), ledger=Ledger())
        self._independence = Independence(
            known.untrusted_scripts, known.trusted_scripts, known.unpredictable_scripts
        )
        self.planner = plan(self._independence, frontier)

    def cases(self) -> Iterator[CaseEnded]:
        """Run case after case. Each is reported once, although starting over may run it again."""
        reported: set[str] = set()
        calls_scripts = self._independence.trusted_scripts or self._rig.scripts.get(
            self._program.name
        )
        watch = ScriptWatch(self._rig) if calls_scripts else None
        try:
            while True:
                starts_over = False
                for ended in explore(
                    self._rig,
                    self._program,
                    self.planner,
                    latency_bound_ms=self._bound_ms,
                    is_over=self._is_over,
                ):
                    if ended.replay not in reported:
                        reported.add(ended.replay)
                        yield ended
                    if self._independence.trusted_scripts and watch is None:
                        watch, starts_over = ScriptWatch(self._rig), True
                        break
                    if watch is not None and watch.update(self._independence):
                        starts_over = True
                        break
                if not starts_over:
                    return
                self.planner = self._plan(self._independence, None)
        finally:
            if watch is not None:
                watch.close()
