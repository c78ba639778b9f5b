"""A run of the network suite, with its server, its Toxiproxy and its rig."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.opening import ServerSpec, open_server
from midpipe.faultinject.toxiproxy.binary import Notify
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.network.placements import NetworkFault
from midpipe.scenarios.network.source import Via, open_route, open_toxiproxy
from midpipe.scenarios.network.suite import NetworkResult, NetworkRow, faults_for, run_suite
from midpipe.scenarios.programs.program import Program


class NetworkRun:
    """Runs the suite once. Close it with ``close``.

    Args:
        via: which Toxiproxy to use.
        bound_ms: how long a call may take, for a subject that declares no bound.
        only: names of faults; empty takes all.
        notify: called before the Toxiproxy is built.

    Raises:
        ServerError: the server or the Toxiproxy can't be started or reached.
        SubjectError: the subject can't be loaded.
        UsageError: there is no such fault, or the program has several clients.
    """

    def __init__(
        self,
        *,
        server: ServerSpec,
        subject: SubjectSpec,
        program: Program,
        via: Via,
        bound_ms: float,
        only: frozenset[str] = frozenset(),
        notify: Notify = lambda text: None,
    ) -> None:
        if len(program.clients) != 1:
            raise UsageError(
                f"The program {program.name!r} has several clients; choose a program of one client."
            )
        self._program = program
        self._bound_ms = bound_ms
        self._rows: list[NetworkRow] = []
        self._opened = ExitStack()
        try:
            run = self._opened.enter_context(RunDirectory())
            started = open_server(server, run, has_other_clients=True)
            self._opened.callback(started.stop)
            self._rig = Rig(started, subject, run, invariants=tuple(INVARIANTS.values()))
            self._opened.callback(self._rig.close)
            self._faults = self._chosen(only)
            api = self._opened.enter_context(open_toxiproxy(via, run, notify))
            self._route = self._opened.enter_context(open_route(via, api, started.address))
        except BaseException:
            self._opened.close()
            raise

    def _chosen(self, only: frozenset[str]) -> tuple[NetworkFault, ...]:
        missing = self._program.methods - self._rig.traits.methods
        if missing:
            raise UsageError(f"The subject lacks {', '.join(sorted(missing))} for this program.")
        faults = faults_for(self._rig, self._program)
        known = [fault.name for fault in faults]
        for name in sorted(only - set(known)):
            raise UsageError(f"There is no network fault {name!r}.{did_you_mean(name, known)}")
        return tuple(fault for fault in faults if not only or fault.name in only)

    def run(self) -> Iterator[NetworkRow]:
        """Run case after case; yields each when it has completed."""
        for row in run_suite(self._rig, self._program, self._route, self._bound_ms, self._faults):
            self._rows.append(row)
            yield row

    def result(self, *, is_partial: bool = False) -> NetworkResult:
        """Return the cases so far.

        Args:
            is_partial: the run ended before the last one.
        """
        rig = self._rig
        return NetworkResult(
            rig.subject.name,
            rig.server.name,
            self._route.what,
            self._program.name,
            tuple(self._rows),
            is_partial,
        )

    def close(self) -> None:
        """End everything that was started."""
        self._opened.close()
