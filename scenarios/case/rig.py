"""The rig: one server, one proxy and the processes of one subject, ready to run case after case.

Between cases the server is reset, not restarted. midpipe's own clients go through listeners that pass bytes unread.
Knows no schedule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from urllib.parse import quote

from midpipe.faultinject.clock.port import Clock, NotFollowedError
from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.net.handshakes import is_opening
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK
from midpipe.faultinject.net.proxy import Listener, Proxy
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import Replica, Server
from midpipe.faultinject.wire.commands import CommandTable, parse_command_table
from midpipe.scenarios.case.hosts import Hosts
from midpipe.scenarios.case.probe import probe
from midpipe.scenarios.case.recovery_client import RECOVERY, RecoveryClient
from midpipe.scenarios.case.time_flow import TimeFlow
from midpipe.scenarios.model.evidence import Invariant, Traits
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.state import (
    SNAPSHOT_SCRIPT,
    Snapshot,
    snapshot_of,
    snapshot_of_packed,
)
from midpipe.scenarios.programs.program import ITSELF, Program, Version
from midpipe.scenarios.subjects.hosting import HostProcess
from midpipe.scenarios.subjects.processes import ForkServer

_HANGS_UP_WITHIN_S = 10.0
_ANSWERS_WITHIN_S = 2.0


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
        control: midpipe's own connection to the server.
        table: the server's commands.
        recovery: calls the subject without faults.
        traits: what the subject has and does, found by calling it once.
        patience: how many times longer than usual time-outs and leases last at first in the next case.
        confirmed_kinds: how many cases of each kind of violation further runs have confirmed; see ``confirming``.
        scripts: by the name of a program, the digests of the scripts that its clients have been seen to call.
        idle_states: outlines of the states in which a worker of a version was run, and ran and wrote nothing.
        not_followed: called with the error if a process of the subject does not follow the clock in a case, which is
            invalid then. It may raise the error.
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
        self.is_cold = False
        self.not_followed: Callable[[NotFollowedError], object] = _ignore
        self.loop = loop or Loop()
        self.control = self.new_control()
        self.table = table or parse_command_table(self.control.call("COMMAND"))
        self.proxy = Proxy(self.loop, lambda: server.address, self.table)
        self.clock = clock or WallClock("this server is on the machine's clock")
        self.hosts = Hosts(subject, self.loop, run, self.clock, loading)
        self.time = TimeFlow(
            self.loop,
            self.clock,
            lambda: server.pids,
            self.hosts.pids,
            lambda: is_opening(self.proxy.ports),
        )
        self.recovery = RecoveryClient(
            self.hosts.get, self.time, self.url, lambda: self.listener(RECOVERY).bytes_unread
        )
        self.traits = Traits(frozenset(), white_box=False, new_schema=False)
        try:
            self.reset()
            self.traits = probe(subject, self.recovery, lambda: self.snapshot().state, self.seed)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the subject's processes and the connections."""
        self.hosts.close()
        self.proxy.close()
        self.control.close()
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
        self.control.close()
        if self.server.is_ours and not (is_server_sound and self._does_server_answer()):
            self.server.restart()
            if self.server.replica:
                self.server.replica.catch_up()
            self.is_cold = True
        self.control = self.new_control()

    # --- clients ---------------------------------------------------------------------------------------

    def host(self, client_id: str, version: Version = ITSELF) -> HostProcess:
        """Return the process in which a client runs a version of the subject, as ``Hosts.get``."""
        return self.hosts.get(client_id, version)

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

    def new_control(self, timeout_s: float = 10.0) -> Control:
        """Return a new connection of midpipe's own to the server.

        Args:
            timeout_s: for connecting and for each answer, in seconds.
        """
        server = self.server
        return Control(
            server.address, server.password, server.username, server.database, timeout_s=timeout_s
        )

    def _does_server_answer(self) -> bool:
        try:
            with closing(self.new_control(_ANSWERS_WITHIN_S)) as control:
                control.call("PING")
        except ServerError:
            return False
        return True

    def reset(self) -> None:
        """Empty the server, and begin with fresh instances and an empty journal. Raises ServerError if it is gone.

        The processes of a subject whose worker runs the jobs end as well, unless they report that nothing is left in
        them: a worker leaves connections and threads.
        """
        if "work" in self.traits.methods:
            self.proxy.let_all_pass()
            self.hosts.end_used(kept_if_forked=RECOVERY)
        self.server.reset(self.control)
        self.recovery.forget_instances()
        self.hosts.begin_journal()
        self.hosts.import_learnt()

    def snapshot(self) -> Snapshot:
        """Return every key of the server at one moment."""
        packed = snapshot_of_packed(self.control.call("EVAL", SNAPSHOT_SCRIPT, 0, "packed"))
        if packed is not None:
            return packed
        return snapshot_of(self.control.call("EVAL", SNAPSHOT_SCRIPT, 0))

    def seed(self, commands: tuple[tuple[str, ...], ...]) -> None:
        """Write a start state: run the commands in one transaction, so that no power loss keeps only some of them."""
        if commands:
            self.control.pipeline((("MULTI",), *commands, ("EXEC",)))

    def save_snapshot(self) -> None:
        """Have a server that persists by snapshots take one."""
        if self.server.persistence is Persistence.RDB:
            self.control.call("SAVE")

    def operate(self, commands: tuple[tuple[str, ...], ...]) -> None:
        """Run commands as the server's operator. midpipe's own clients reconnect: they may be cut off too."""
        if commands:
            self.control.pipeline(commands)
            self.recovery.forget_instances()

    def await_server(self) -> None:
        """Wait until the server has processed every command that has reached it."""
        # What arrived before the first PING is processed in the same round of the server's loop at the latest. A server
        # whose snapshots fail answers PING with an error, and that is an answer too.
        for _ in range(2):
            self.control.pipeline((("PING",),))

    def await_hang_up(self) -> None:
        """Wait until the server has closed the clients' connections, as a fault demanded.

        Raises:
            ServerError: it did not.
        """
        if not self.proxy.has_server_hung_up(_HANGS_UP_WITHIN_S):
            raise ServerError(
                "The server did not close the clients' connections, as a fault demanded, "
                f"within {_HANGS_UP_WITHIN_S:.0f} s."
            )

    def restart_server(self) -> None:
        """Kill the server and start it again; midpipe's own connections are made again."""
        self.server.restart()
        self._reconnect()

    def readdress_server(self) -> None:
        """Kill the server and start it again at another address; from now on the listeners lead there."""
        self.server.readdress()
        self._reconnect()

    def fail_over(self) -> None:
        """Kill the server and have its replica take over; from now on the listeners lead there."""
        self.replica.fail_over()
        self._reconnect()

    @property
    def replica(self) -> Replica:
        """The server's replica. Raises UsageError if it has none."""
        if self.server.replica is None:
            raise UsageError(f"{self.server.name} has no replica that could take over.")
        return self.server.replica

    def _reconnect(self) -> None:
        self.control.close()
        self.control = self.new_control()
        self.recovery.forget_instances()


def _ignore(error: NotFollowedError) -> None:
    """Do nothing: the case that the error ends is invalid."""
