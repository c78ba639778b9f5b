"""The rig: one server, one proxy and the processes of one subject, ready to run case after case.

Between cases the server is reset, not restarted. midpipe's own clients go through listeners that pass bytes unread.
Knows no schedule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from urllib.parse import quote

from midpipe.faultinject.clock.port import Clock, NotFollowedError
from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.net.handshakes import is_opening
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK
from midpipe.faultinject.net.proxy import Listener, Proxy
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.server import Server
from midpipe.faultinject.wire.commands import CommandTable, parse_command_table
from midpipe.scenarios.case.hosts import Hosts
from midpipe.scenarios.case.operator import Operator
from midpipe.scenarios.case.probe import probe
from midpipe.scenarios.case.recovery_client import RECOVERY, RecoveryClient
from midpipe.scenarios.case.server_waits import ServerWaits
from midpipe.scenarios.case.time_flow import TimeFlow
from midpipe.scenarios.model.evidence import Invariant, Traits
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.state import Snapshot
from midpipe.scenarios.programs.program import ITSELF, Program, Version
from midpipe.scenarios.subjects.hosting import HostProcess
from midpipe.scenarios.subjects.processes import ForkServer


class Rig:
    """What one case after the other runs on. Close it with ``close``; the server's owner stops the server.

    Args:
        run: holds the files of the subject's processes, and ends them if midpipe is killed.
        loop: shared with something else, which closes it; None makes one of its own.
        invariants: what the cases are judged by.
        clock: the clock that the server is on; the subject's processes are put on it too. None is the machine's.
        table: the server's commands; None asks the server.
        loading: a process that loads the subject already, on that clock.

    Attributes:
        clock: that clock.
        time: waits, and lets time pass on that clock.
        operator: reads, resets and restarts the server.
        table: the server's commands.
        recovery: calls the subject without faults.
        traits: what the subject has and does, found by calling it once.
        patience: how many times longer than usual time-outs and leases last at first in the next case.
        confirmed_kinds: how many cases of each kind of violation further runs have confirmed; see ``confirming``.
        scripts: by the name of a program, the digests of the scripts that its clients have been seen to call.
        idle_states: outlines of the states in which a worker of a version was run, and ran and wrote nothing.
        vain_second_runs: how often a second run of an idle worker has not shown whether a further one would do nothing.
        knows_when_due: the traits say how long jobs wait; false before that was tried.
        not_followed: called with the error if a process of the subject does not follow the clock in a case, which is
            invalid then. It may raise the error.
        uses_new_processes: each case begins with new processes of the subject.
        is_cold: the server was started again after a case went wrong, and has not learned the subject's scripts yet.

    Raises:
        ServerError: the server does not answer.
        SubjectError: the subject can't be hosted, or can't enqueue a job.
    """

    def __init__(
        self,
        server: Server,
        subject: SubjectSpec,
        run: RunDirectory,
        loop: Loop | None = None,
        *,
        invariants: tuple[Invariant, ...],
        clock: Clock | None = None,
        table: CommandTable | None = None,
        loading: ForkServer | None = None,
    ) -> None:
        self.invariants = invariants
        self.server = server
        self.subject = subject
        self._closes_loop = loop is None
        self.patience = 1
        self.confirmed_kinds: Counter[tuple[str, str, str]] = Counter()
        self.scripts: dict[str, frozenset[str]] = {}
        self.idle_states: set[tuple[Version, str]] = set()
        self.vain_second_runs = 0
        self.is_cold = False
        self.uses_new_processes = False
        self.knows_when_due = False
        self.not_followed: Callable[[NotFollowedError], object] = _ignore
        self.loop = loop or Loop()
        self.operator = Operator(server, self._forget_instances)
        self.table = table or parse_command_table(self.control.call("COMMAND"))
        self.proxy = Proxy(self.loop, lambda: server.address, self.table)
        self.clock = clock or WallClock("this server is on the machine's clock")
        self.hosts = Hosts(subject, self.loop, run, self.clock, loading)
        self.time = TimeFlow(
            self.loop,
            self.clock,
            lambda: server.pids,
            self.hosts.pids,
            ServerWaits(lambda: self.proxy.unanswered, self.clock.now_s).next_end_s,
            lambda: is_opening(self.proxy.ports),
        )
        self.recovery = RecoveryClient(
            self.hosts.get, self.time, self.url, lambda: self.listener(RECOVERY).bytes_unread
        )
        self.traits = Traits(frozenset(), white_box=False, new_schema=False)
        try:
            self.reset()
            self.traits = probe(
                subject, self.recovery, lambda: self.snapshot().state, self.operator.seed
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the subject's processes and the connections."""
        self.hosts.close()
        self.proxy.close()
        self.operator.close()
        if self._closes_loop:
            self.loop.close()

    def renew(self, *, is_server_sound: bool) -> None:
        """Begin anew after a case went wrong, with new connections and processes.

        Args:
            is_server_sound: nothing was done to the server. One of midpipe's own is started again if something was, or
                if it does not answer.

        Raises:
            ServerError: the server is gone, and is not midpipe's own.
        """
        self.hosts.end_processes()
        self.proxy.close()
        self.recovery.forget_instances()
        if self.operator.renew(is_sound=is_server_sound):
            self.is_cold = True

    # --- clients ---------------------------------------------------------------------------------------

    def host(self, client_id: str, version: Version = ITSELF) -> HostProcess:
        """Return the process in which a client runs a version of the subject, as ``Hosts.get``."""
        return self.hosts.get(client_id, version)

    def begin_new_processes(self) -> bool:
        """Give each case processes of its own from now on, because the subject remembers; return whether that is new.

        A subject may remember for its whole process what it has created on a server that has been emptied since.
        """
        was_new, self.uses_new_processes = self.uses_new_processes, True
        return not was_new

    def end_processes(self) -> None:
        """End the subject's processes, so that nothing of an earlier case is in the memory of the next one's."""
        self.hosts.end_processes()
        self.recovery.forget_instances()

    def keep_hosts_for(self, program: Program) -> None:
        """End processes that a program does not need, so that few are left; see ``Hosts.keep_only``."""
        readers = ((RECOVERY, version) for version in program.versions)
        self.hosts.keep_only((*program.runners, *readers))

    def listener(self, client_id: str) -> Listener:
        """Return the proxy's listener for a client."""
        return self.proxy.listener(client_id)

    def url(self, client_id: str, time_out_ms: int) -> str:
        """Return the Redis URL of the client's listener, with the client's time-outs in its query."""
        return self.url_at(self.listener(client_id).port, time_out_ms)

    def url_at(self, port: int, time_out_ms: int) -> str:
        """Return the Redis URL of a port that leads to the server, with time-outs in its query."""
        seconds = f"{time_out_ms / 1000:g}"
        server = self.server
        user = ""
        if server.password:
            user = f"{quote(server.username or '', safe='')}:{quote(server.password, safe='')}@"
        query = f"socket_timeout={seconds}&socket_connect_timeout={seconds}"
        return f"redis://{user}{LOOPBACK}:{port}/{server.database}?{query}"

    def sources(self) -> dict[str, tuple[str, int]]:
        """Return the text and the first line of each of the subject's methods, if it is a Python class."""
        return dict(self.host(RECOVERY).sources(RECOVERY))

    # --- the server ------------------------------------------------------------------------------------

    @property
    def control(self) -> Control:
        """The operator's connection to the server."""
        return self.operator.control

    def snapshot(self) -> Snapshot:
        """Return every key of the server at one moment."""
        return self.operator.snapshot()

    def reset(self) -> None:
        """Empty the server, and begin with fresh instances and an empty journal. Raises ServerError if it is gone.

        The processes of a subject whose worker runs the jobs end as well, unless they report that nothing is left in
        them: a worker leaves connections and threads.
        """
        has_worker = "work" in self.traits.methods
        if has_worker:
            self.proxy.let_all_pass()
        if self.uses_new_processes:
            self.end_processes()
        elif has_worker:
            self.hosts.end_used(kept_if_forked=RECOVERY)
        self.operator.reset()
        self.recovery.forget_instances()
        self.hosts.begin_journal()
        self.hosts.import_learnt()

    def _forget_instances(self) -> None:
        """Make new instances of midpipe's own clients before their next calls: they may be cut off too."""
        self.recovery.forget_instances()


def _ignore(error: NotFollowedError) -> None:
    """Do nothing: the case that the error ends is invalid."""
