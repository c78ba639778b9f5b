"""midpipe's own clients of the subject: they call it without faults, and wait for the answer.

``R`` reads back and drains; ``S`` is the stand-by worker that takes over from one that is frozen. Each has processes of
its own: a subject may keep the address that its first instance was given, or what it has read, for its whole process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from midpipe.scenarios.case.answered import Answered, answered_from
from midpipe.scenarios.case.time_flow import TimeFlow
from midpipe.scenarios.model.history import HANG, Json, RaisedError
from midpipe.scenarios.programs.program import ITSELF, Version
from midpipe.scenarios.subjects.hosting import Answer, HostProcess
from midpipe.scenarios.subjects.opened import Opened

RECOVERY = "R"
STANDBY = "S"
_TIME_OUT_MS = 5_000
_STANDBY_TIME_OUT_MS = 2_500
"""Its calls are judged like those of the program, and a claim may block until a job comes: it has to end in time."""
_ANSWER_WITHIN_S, _ANSWER_WITHIN_STEPPED_S = 30.0, 7_200.0
_SENDS_WITHIN_S = 1.0


class RecoveryClient:
    """Calls versions of the subject without faults.

    Args:
        host: returns the process in which a client runs a version of the subject, as ``Hosts.get``.
        url: returns the Redis URL of a client, given its id and its socket time-out in ms.
        bytes_sent: returns how many bytes the recovery client's instances have sent to that URL so far.

    Attributes:
        opened: what the process said of the instance that was made last.
    """

    def __init__(
        self,
        host: Callable[[str, Version], HostProcess],
        time: TimeFlow,
        url: Callable[[str, int], str],
        bytes_sent: Callable[[], int],
    ) -> None:
        self._host = host
        self._time = time
        self._url = url
        self.bytes_sent = bytes_sent
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
        host = self.instance(client_id, version)
        answers: list[Answer] = []
        host.call(client_id, method, arguments, answers.append, counts=False)
        within_s = _ANSWER_WITHIN_STEPPED_S if self._time.is_stepped else _ANSWER_WITHIN_S
        if not self._time.run_until(lambda: bool(answers), within_s):
            host.kill()
            return Answered(None, RaisedError(HANG, f"{method} did not return"), 0.0, ())
        return answered_from(answers[0])

    def instance(self, client_id: str = RECOVERY, version: Version = ITSELF) -> HostProcess:
        """Return the process that hosts the instance of one of midpipe's clients, made if need be.

        Raises:
            SubjectError: an instance of the subject can't be made.
        """
        host = self._host(client_id, version)
        if host is not self._used.get((client_id, version)):
            self._used[client_id, version] = host
            time_out_ms = _STANDBY_TIME_OUT_MS if client_id == STANDBY else _TIME_OUT_MS
            self.opened = host.make_instance(client_id, self._url(client_id, time_out_ms))
        return host

    def sends_more_than(self, number: int) -> bool:
        """Whether the instances have sent more than so many bytes, or do so soon; a thread of theirs may send later."""
        return self._time.run_until(lambda: self.bytes_sent() > number, _SENDS_WITHIN_S)

    def forget_instances(self) -> None:
        """Make a new instance before the next call of each: the connections of the old ones are gone."""
        self._used.clear()
