"""The processes that host a subject for the clients of a rig, kept from case to case within bounds.

Each client has a process for every version of the subject that it has run. A Python subject is loaded once, and its
processes are forked from that one if forking is sound. Of any other subject a spare process is started ahead, so that
it loads the subject while a case runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from midpipe.faultinject.clock.port import Clock, NotFollowedError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.program import ITSELF, Version
from midpipe.scenarios.subjects.hosting import Answer, HostProcess
from midpipe.scenarios.subjects.processes import ForkServer

_MOST_HOSTS = 4
_MOST_FORK_SERVERS = 2
_CLOSES_WITHIN_S = 0.3


class Hosts:
    """The host processes of one subject and its versions. Close it with ``close``.

    Args:
        clock: the clock that the processes read.
        loading: a process that loads the subject already, on that clock; ended with the others.

    Attributes:
        journal: the file that records what jobs' bodies run in the current case.
        traces_sources: instances that are made from now on report the lines that send their commands.
    """

    def __init__(
        self,
        subject: SubjectSpec,
        loop: Loop,
        run: RunDirectory,
        clock: Clock,
        loading: ForkServer | None = None,
    ) -> None:
        self._subject = subject
        self._clock = clock
        self._loop = loop
        self._run = run
        # In both, what was used last comes last.
        self._hosts: dict[tuple[str, Version], HostProcess] = {}
        self.traces_sources = False
        self._journals = run.subdirectory("journals")
        self._cases = 0
        self.journal = self._journals / "0"
        self._fork_servers: dict[SubjectSpec, ForkServer | None] = {}
        self._early = loading
        self._retired: list[ForkServer] = []
        self._spares: dict[SubjectSpec, HostProcess] = {}

    def get(self, client_id: str, version: Version = ITSELF) -> HostProcess:
        """Return the process in which a client runs a version of the subject, started if need be.

        Raises:
            SubjectError: the subject can't be loaded.
            NotFollowedError: its process is not on the clock.
        """
        host = self._hosts.pop((client_id, version), None)
        if host is None or not host.is_alive:
            if host is not None:
                host.kill()
            host = self._loading(self._subject_of(version))
            host.wait_until_ready()
            if not self._clock.follows(host.pid):
                host.kill()
                raise NotFollowedError(
                    "The subject's process does not read the stepped clock: it asks for the time without the "
                    "C library, as Go programs and static binaries do."
                )
        self._hosts[client_id, version] = host
        host.traces_sources = self.traces_sources
        host.journal = self.journal
        return host

    def is_forked(self, version: Version) -> bool:
        """Whether processes of this version are forked, so that a new one is as the last one was."""
        return self._fork_servers.get(self._subject_of(version)) is not None

    def last_of(self, client_id: str) -> HostProcess | None:
        """Return the process that the client used last; None if it has none."""
        hosts = [host for (known, _), host in self._hosts.items() if known == client_id]
        return hosts[-1] if hosts else None

    def begin_journal(self) -> None:
        """Name a new journal: what a process of an earlier case still writes goes into that case's own."""
        self.journal.unlink(missing_ok=True)
        self._cases += 1
        self.journal = self._journals / str(self._cases)

    def import_learnt(self) -> None:
        """Have the fork servers import what their forks have imported by themselves; between two cases only."""
        for subject, server in tuple(self._fork_servers.items()):
            if server is not None and not server.import_learnt():
                # It still waits for the processes that it has forked.
                self._retired.append(server)
                self._fork_servers[subject] = self._new_fork_server(subject, learns=False)

    def end_processes(self) -> None:
        """End the process of every client; the next one of each is started or forked afresh."""
        while self._hosts:
            self._hosts.popitem()[1].kill()

    def end_used(self, kept_if_forked: str = "") -> None:
        """End the process of every client, except those in which nothing is left of the instances that they hosted.

        A process that was forked ends all the same, because its next one begins as the fork server left it.

        Args:
            kept_if_forked: a client whose forked process is kept as well, because no fault ever meets it.
        """
        answers: dict[tuple[str, Version], list[Answer]] = {}
        for key, host in self._hosts.items():
            is_forked = self._fork_servers.get(self._subject_of(key[1])) is not None
            if host.is_idle and (key[0] == kept_if_forked or not is_forked):
                answers[key] = []
                host.close_client(key[0], answers[key].append)
        self._loop.run_until(lambda: all(answers.values()), _CLOSES_WITHIN_S)
        for key in tuple(self._hosts):
            if not any(answer.get("clean") is True for answer in answers.get(key, ())):
                self._hosts.pop(key).kill()

    def new(self) -> HostProcess:
        """Return a process that hosts the subject, not ready yet. The caller ends it."""
        return self._new(self._subject, self._fork_server(self._subject))

    def keep_only(self, wanted: Sequence[tuple[str, Version]]) -> None:
        """End processes that are not wanted, those used longest ago first, until few will be left.

        Args:
            wanted: each client's versions in the program that comes next, midpipe's own clients included.
        """
        needed = {self._subject_of(version) for _, version in wanted}
        for subject in tuple(self._fork_servers):
            if len({*self._fork_servers, *needed}) > _MOST_FORK_SERVERS and subject not in needed:
                self._forget(subject)
        for key in tuple(self._hosts):
            if len({*self._hosts, *wanted}) > _MOST_HOSTS and key not in wanted:
                self._hosts.pop(key).kill()

    def printed_sizes(self) -> Mapping[HostProcess, int]:
        """Return how many bytes each process has printed."""
        return {host: host.printed_size() for host in self._hosts.values()}

    def has_child_processes(self) -> bool:
        """Whether the subject has started processes of its own."""
        return any(host.has_had_children for host in self._hosts.values())

    def pids(self) -> tuple[int, ...]:
        """Return the pids of the processes, that which was used last first."""
        return tuple(host.pid for host in reversed(self._hosts.values()) if host.is_alive)

    def close(self) -> None:
        """End every process."""
        for host in (*self._hosts.values(), *self._spares.values()):
            host.kill()
        known = (*self._fork_servers.values(), *self._retired, self._early)
        for fork_server in filter(None, known):
            fork_server.close()

    def _subject_of(self, version: Version) -> SubjectSpec:
        return self._subject.varied(version.environment, beside=version.beside)

    def _loading(self, subject: SubjectSpec) -> HostProcess:
        """Return a new process; of a subject that can't be forked the spare one, which another one replaces."""
        fork_server = self._fork_server(subject)
        if fork_server is not None:
            return self._new(subject, fork_server)
        spare = self._spares.pop(subject, None)
        if spare is not None and not spare.is_alive:
            spare.kill()
            spare = None
        host = spare or self._new(subject)
        self._spares[subject] = self._new(subject)
        return host

    def _new(self, subject: SubjectSpec, fork_server: ForkServer | None = None) -> HostProcess:
        environment = self._clock.environment()
        return HostProcess(subject, self._loop, self._run, fork_server, environment)

    def _fork_server(self, subject: SubjectSpec) -> ForkServer | None:
        """Return what forks processes that have loaded the subject; None if that would not be sound."""
        known = self._fork_servers.get(subject)
        if known is not None and not known.is_running:
            known.close()
            del self._fork_servers[subject]
        is_known = subject in self._fork_servers
        server = self._fork_servers.pop(subject) if is_known else self._new_fork_server(subject)
        self._fork_servers[subject] = server
        return server

    def _new_fork_server(self, subject: SubjectSpec, *, learns: bool = True) -> ForkServer | None:
        if not subject.is_python:
            return None
        server = self._take_early(subject) if learns else None
        if server is None:
            environment = self._clock.environment()
            server = ForkServer(subject, self._run, environment, learns=learns)
        if server.can_fork:
            return server
        server.close()
        return None

    def _take_early(self, subject: SubjectSpec) -> ForkServer | None:
        """Return the process that loads this subject already; None if there is none."""
        if self._early is None or self._early.subject != subject:
            return None
        taken, self._early = self._early, None
        return taken

    def _forget(self, subject: SubjectSpec) -> None:
        """End every process that has loaded the subject."""
        for key in tuple(self._hosts):
            if self._subject_of(key[1]) == subject:
                self._hosts.pop(key).kill()
        if subject in self._spares:
            self._spares.pop(subject).kill()
        server = self._fork_servers.pop(subject)
        if server is not None:
            server.close()
