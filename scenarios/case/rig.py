"""The rig: one server, one proxy and the hosts of one subject, ready to run case after case.

Between cases the server is reset, not restarted. midpipe's own client R reads and drains through a listener
that passes bytes unread. The rig knows no program and no schedule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from midpipe.faultinject.errors import ServerError, SubjectError, UsageError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.proxy import LOOPBACK, Listener, Proxy
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.pair import Pair
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.reaper import RunDirectory
from midpipe.faultinject.servers.server import Server
from midpipe.faultinject.wire.commands import parse_command_table
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import Counted, Json, RaisedError
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.state import (
    SNAPSHOT_SCRIPT,
    Snapshot,
    snapshot_of,
    snapshot_of_packed,
    tables_of,
)
from midpipe.scenarios.programs.program import ITSELF, Version
from midpipe.scenarios.programs.single import enqueue, get, removal_of_old_copy
from midpipe.scenarios.subjects.hosting import Answer, HostProcess, Opened
from midpipe.scenarios.subjects.processes import ForkServer

RECOVERY = "R"
STANDBY = "S"
"""The worker that takes over from one that is frozen."""
RECOVERY_TIME_OUT_MS = 5_000
_MOST_HOSTS = 3
_MOST_FORK_SERVERS = 2
_ANSWER_WITHIN_S = 30.0
_HANGS_UP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What a fault-free call came to: a value or an error, and what was logged."""

    value: Json
    error: RaisedError | None
    ms: float
    logs: tuple[str, ...]
    counted: tuple[Counted, ...] | None = None


class Rig:
    """One worker's bench. Close it with ``close``; the server is its owner's.

    Args:
        loop: to share one with something else, which closes it; its own otherwise.
    """

    def __init__(
        self, server: Server, subject: SubjectSpec, run: RunDirectory, loop: Loop | None = None
    ) -> None:
        self.server = server
        self.subject = subject
        self._closes_loop = loop is None
        self.loop = loop or Loop()
        self._run = run
        self.control = self.connected()
        self.table = parse_command_table(self.control.call("COMMAND"))
        self.proxy = Proxy(self.loop, lambda: server.address, self.table)
        self._hosts: dict[tuple[str, Version], HostProcess] = {}
        self._fork_servers: dict[SubjectSpec, ForkServer | None] = {}
        self._recovery_hosts: dict[tuple[str, Version], HostProcess] = {}
        self._opened = Opened(frozenset(), None)
        self.traits = self._probe()

    def host(self, client: str, version: Version = ITSELF) -> HostProcess:
        """Return the process in which a client runs a version, started if need be.

        Args:
            version: of the subject; each client has a process for every version it has run.
        """
        host = self._hosts.pop((client, version), None)
        if host is None or not host.is_alive:
            if host is not None:
                host.kill()
            subject = self._subject_of(version)
            host = self._new_host(subject)
            host.wait_until_ready()
        # The last one used comes last.
        self._hosts[client, version] = host
        return host

    def new_host(self) -> HostProcess:
        """Return a process that hosts the subject, not ready yet; it is the caller's to end."""
        return self._new_host(self.subject)

    def _new_host(self, subject: SubjectSpec) -> HostProcess:
        return HostProcess(subject, self.loop, self._run, self._fork_server(subject))

    def _fork_server(self, subject: SubjectSpec) -> ForkServer | None:
        """Return what forks processes that have loaded the subject; None if that would not be sound."""
        if subject not in self._fork_servers:
            server = ForkServer(subject, self._run) if subject.is_python else None
            if server is not None and not server.can_fork:
                server.close()
                server = None
        else:
            server = self._fork_servers.pop(subject)
        # The last one used comes last.
        self._fork_servers[subject] = server
        return server

    def keep_only(self, wanted: Sequence[tuple[str, Version]]) -> None:
        """End processes that a program does not need, those not used for longest first, until few will be there."""
        needed = {self._subject_of(version) for _, version in wanted}
        for subject in tuple(self._fork_servers):
            if len({*self._fork_servers, *needed}) > _MOST_FORK_SERVERS and subject not in needed:
                self._forget(subject)
        for key in tuple(self._hosts):
            if len({*self._hosts, *wanted}) > _MOST_HOSTS and key not in wanted:
                self._hosts.pop(key).kill()

    def _forget(self, subject: SubjectSpec) -> None:
        """End every process that has loaded the subject."""
        for key in tuple(self._hosts):
            if self._subject_of(key[1]) == subject:
                self._hosts.pop(key).kill()
        server = self._fork_servers.pop(subject)
        if server is not None:
            server.close()

    def _subject_of(self, version: Version) -> SubjectSpec:
        return self.subject.varied(version.environment, beside=version.beside)

    def printed(self) -> Mapping[HostProcess, int]:
        """Return how many bytes each process has printed."""
        return {host: host.printed_size() for host in self._hosts.values()}

    def listener(self, client: str) -> Listener:
        return self.proxy.listener(client)

    def url(self, client: str, time_out_ms: int) -> str:
        """Return the Redis URL of the client's listener, with the client's time-outs in its query."""
        return self.url_at(self.listener(client).port, time_out_ms)

    def url_at(self, port: int, time_out_ms: int) -> str:
        """Return the Redis URL of a port that leads to the server."""
        seconds = f"{time_out_ms / 1000:g}"
        server = self.server
        user = ""
        if server.password:
            user = f"{quote(server.username or '', safe='')}:{quote(server.password, safe='')}@"
        query = f"socket_timeout={seconds}&socket_connect_timeout={seconds}"
        return f"redis://{user}{LOOPBACK}:{port}/{server.database}?{query}"

    def reset(self) -> None:
        """Empty the server. Raises ServerError if it is gone."""
        self.server.reset(self.control)

    def snapshot(self) -> Snapshot:
        """Return every key of the server at one moment."""
        packed = snapshot_of_packed(self.control.call("EVAL", SNAPSHOT_SCRIPT, 0, "packed"))
        if packed is not None:
            return packed
        return snapshot_of(self.control.call("EVAL", SNAPSHOT_SCRIPT, 0))

    def operate(self, commands: tuple[tuple[str, ...], ...]) -> None:
        """Run commands as the server's operator; midpipe's own client then begins anew, lest it was cut off too."""
        if commands:
            self.control.pipeline(commands)
            self._recovery_hosts.clear()

    def await_hang_up(self) -> None:
        """Wait until the server has closed the clients' connections, as it was told. Raises ServerError."""
        if not self.proxy.has_server_hung_up(_HANGS_UP_WITHIN_S):
            raise ServerError("The server did not close the connections that it was told to close.")

    def await_server(self) -> None:
        """Wait until the server has dealt with every command that has reached it."""
        # What arrived before the first PING is dealt with in the same round of the server's loop at the latest.
        for _ in range(2):
            self.control.call("PING")

    def restart_server(self) -> None:
        """Kill the server and start it again; midpipe's own connections begin anew."""
        self.server.restart()
        self._begin_anew()

    def readdress_server(self) -> None:
        """Kill the server and start it again elsewhere; from now on the listeners lead there."""
        self.server.readdress()
        self._begin_anew()

    def fail_over(self) -> None:
        """Kill the server and let its replica take over; from now on the listeners lead there."""
        self.pair.fail_over()
        self._begin_anew()

    @property
    def pair(self) -> Pair:
        """The server, with its replica. Raises UsageError if it has none."""
        if not isinstance(self.server, Pair):
            raise UsageError(f"{self.server.name} has no replica that could take over.")
        return self.server

    def _begin_anew(self) -> None:
        self.control.close()
        self.control = self.connected()
        self._recovery_hosts.clear()

    def keep_snapshot(self) -> None:
        """Have a server that keeps snapshots take one."""
        if self.server.persistence is Persistence.RDB:
            self.control.call("SAVE")

    def lay(self, seed: tuple[tuple[str, ...], ...]) -> None:
        """Run the commands that lay a start state."""
        if seed:
            # In one transaction, so that no power loss cuts it in two.
            self.control.pipeline((("MULTI",), *seed, ("EXEC",)))

    def recovery_call(
        self,
        method: str,
        arguments: Mapping[str, Json],
        version: Version = ITSELF,
        client: str = RECOVERY,
    ) -> Answered:
        """Call a version of the subject without faults, on a client of midpipe's own, and wait for the answer."""
        host = self.host(client if client == STANDBY else self._client_with(version), version)
        if host is not self._recovery_hosts.get((client, version)):
            self._recovery_hosts[client, version] = host
            self._opened = self.open(host, client, RECOVERY_TIME_OUT_MS)
        answers: list[Answer] = []
        host.call(client, method, arguments, answers.append, counts=False)
        if not self.loop.run_until(lambda: bool(answers), _ANSWER_WITHIN_S):
            host.kill()
            return Answered(None, RaisedError("Hang", f"{method} did not return"), 0.0, ())
        return answered_from(answers[0])

    def _client_with(self, version: Version) -> str:
        """Return the client whose process of a version makes midpipe's own calls: one that there is, or A's."""
        clients = sorted(
            client for client, known in self._hosts if known == version and client != STANDBY
        )
        return clients[0] if clients else "A"

    def sources(self) -> Mapping[str, tuple[str, int]]:
        """Return the text and the first line of each of the subject's methods, if it is a Python class."""
        return self.host("A").sources(RECOVERY)

    def open(self, host: HostProcess, client: str, time_out_ms: int) -> Opened:
        """Make a fresh instance for a client. Raises SubjectError."""
        return host.make_instance(client, self.url(client, time_out_ms))

    def close(self) -> None:
        """End the hosts and connections."""
        for host in self._hosts.values():
            host.kill()
        for fork_server in filter(None, self._fork_servers.values()):
            fork_server.close()
        self.proxy.close()
        self.control.close()
        if self._closes_loop:
            self.loop.close()

    def connected(self) -> Control:
        """Return a new connection of midpipe's own to the server."""
        server = self.server
        return Control(server.address, server.password, server.username, server.database)

    def _probe(self) -> Traits:
        """Enqueue one job without faults and see which keys it writes."""
        self.reset()
        call = enqueue("midpipe-probe")
        answer = self.recovery_call("enqueue", call.given())
        if answer.error is not None:
            raise SubjectError(
                f"{self.subject.text} can't enqueue a job without any fault: {answer.error.type}: "
                f"{answer.error.message}. Its calls must have the signature that the README shows."
            )
        tables = tables_of(self.snapshot().state)
        queued = "midpipe-probe" in tables.pending
        new_schema = any(job_id == "midpipe-probe" for _, job_id in tables.new)
        return Traits(
            methods=self._opened.methods,
            white_box=queued and tables.has_data("midpipe-probe"),
            fifo=self._opened.fifo,
            waits_for_replicas=self._opened.waits_for_replicas,
            counters=self._opened.counters,
            new_schema=new_schema,
            reads_new=new_schema and self._finds_without_old_copy("midpipe-probe"),
        )

    def _finds_without_old_copy(self, job_id: str) -> bool:
        """Whether the subject reads the new schema: before it does, none may take the old one away."""
        if "get_job" not in self._opened.methods:
            return False
        self.lay(removal_of_old_copy(job_id))
        asked = get(job_id).given()
        return bool(self.recovery_call("get_job", asked).value)


def answered_from(message: Answer) -> Answered:
    """Return a host's answer as a value."""
    error = message.get("error")
    raised = None
    if isinstance(error, Mapping):
        kinds = tuple(str(kind) for kind in error.get("kinds") or ())
        raised = RaisedError(str(error.get("type")), str(error.get("message")), kinds)
    logs = tuple(" ".join(str(word) for word in line) for line in message.get("logs") or ())
    ms = float(message.get("ms") or 0.0)
    return Answered(message.get("ok"), raised, ms, logs, _counted(message.get("counted")))


def _counted(told: object) -> tuple[Counted, ...] | None:
    if not isinstance(told, list):
        return None
    return tuple(
        Counted(str(metric), tuple(sorted(labels.items())), float(by))
        for metric, labels, by in told
    )
