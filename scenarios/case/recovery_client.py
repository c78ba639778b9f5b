"""midpipe's own clients of the subject: they call it without faults, and wait for the answer.

``R`` reads back and drains; ``S`` is the stand-by worker that takes over from one that is frozen. R's instance lives in
a process that a client of the program has as well, so that no process is started for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from midpipe.faultinject.net.loop import Loop
from midpipe.scenarios.case.answered import Answered, answered_from
from midpipe.scenarios.case.hosts import Hosts
from midpipe.scenarios.model.history import Json, RaisedError
from midpipe.scenarios.programs.program import ITSELF, Version
from midpipe.scenarios.subjects.hosting import Answer, HostProcess, Opened

RECOVERY = "R"
STANDBY = "S"
_TIME_OUT_MS = 5_000
_ANSWER_WITHIN_S = 30.0


class RecoveryClient:
    """Calls versions of the subject without faults.

    Args:
        url: returns the Redis URL of a client, given its id and its socket time-out in ms.

    Attributes:
        opened: what the process said of the instance that was made last.
    """

    def __init__(self, hosts: Hosts, loop: Loop, url: Callable[[str, int], str]) -> None:
        self._hosts = hosts
        self._loop = loop
        self._url = url
        self._used: dict[tuple[str, Version], HostProcess] = {}
        self.opened = Opened(frozenset(), None)

    def call(
        self,
        method: str,
        arguments: Mapping[str, Json],
        version: Version = ITSELF,
        client_id: str = RECOVERY,
    ) -> Answered:
        """Make a call and wait for its answer; a call that does not return counts as raising ``Hang``.

        Args:
            client_id: RECOVERY or STANDBY.

        Raises:
            SubjectError: an instance of the subject can't be made.
        """
        host = self._host(client_id, version)
        if host is not self._used.get((client_id, version)):
            self._used[client_id, version] = host
            self.opened = host.make_instance(client_id, self._url(client_id, _TIME_OUT_MS))
        answers: list[Answer] = []
        host.call(client_id, method, arguments, answers.append, counts=False)
        if not self._loop.run_until(lambda: bool(answers), _ANSWER_WITHIN_S):
            host.kill()
            return Answered(None, RaisedError("Hang", f"{method} did not return"), 0.0, ())
        return answered_from(answers[0])

    def forget_instances(self) -> None:
        """Make a new instance before the next call of each: the connections of the old ones are gone."""
        self._used.clear()

    def _host(self, client_id: str, version: Version) -> HostProcess:
        """Return the stand-by worker's own process, or for recovery one that a client has already, A's if none has."""
        if client_id == STANDBY:
            return self._hosts.get(STANDBY, version)
        clients = [known for known in self._hosts.clients_with(version) if known != STANDBY]
        return self._hosts.get(clients[0] if clients else "A", version)
