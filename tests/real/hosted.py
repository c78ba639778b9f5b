"""What hosts a subject outside of a case, with a port to which its instances can connect."""

from __future__ import annotations

import socket

from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.case.hosts import Hosts
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import HostProcess


class Hosted:
    """The processes of a subject, and a port. Close it with ``close``."""

    def __init__(self, subject: SubjectSpec) -> None:
        self.loop, self.run = Loop(), RunDirectory()
        self.hosts = Hosts(subject, self.loop, self.run, WallClock("none is needed"))
        self._port = socket.create_server(("127.0.0.1", 0))

    def open(self, client_id: str = "A") -> HostProcess:
        """Make an instance for a client, and return its process."""
        host = self.hosts.get(client_id)
        host.make_instance(client_id, f"redis://127.0.0.1:{self._port.getsockname()[1]}")
        return host

    def close(self) -> None:
        self.hosts.close()
        self.loop.close()
        self.run.close()
        self._port.close()
