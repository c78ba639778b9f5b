"""Measures what a driver that asks Sentinels does with a command while the primary dies and its replica takes over.

Primary and replica announce the ports of a proxy, so the proxy can hold the command or its reply until the primary has
died. What the primary has run is on the replica before that: what replication loses is no matter of the driver.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from types import MappingProxyType
from typing import cast

from midpipe.faultinject.errors import MidpipeError, ServerError, SubjectError
from midpipe.faultinject.faults.effects import Deliver, WireEffects
from midpipe.faultinject.net.director import PassingDirector
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.node import await_condition, await_replication
from midpipe.faultinject.servers.opening import ServerSpec, origin_of
from midpipe.faultinject.servers.sentinel import SentinelGroup
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import Reply
from midpipe.scenarios.drivers.announced_front import AnnouncedFront
from midpipe.scenarios.drivers.commands import (
    PATIENCE_S,
    Behaviour,
    DriverRow,
    subject_of,
)
from midpipe.scenarios.drivers.registry import Constructor, Driver, Way
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import Answer, HostProcess

AFTER, BEFORE, BETWEEN = "failover-after", "failover-before", "failover-between"
"""The primary dies after it has run the command, before the command reaches it, or between two commands."""
_EFFECTS: Mapping[str, WireEffects] = MappingProxyType(
    {
        AFTER: WireEffects(reply_passes=False, waits=True),
        BEFORE: WireEffects(deliver=Deliver.NONE, reply_passes=False, waits=True),
    }
)
_LIST, _JOBS = "jobs", ("job-1", "job-2", "job-3")
_TAKES_OVER_WITHIN_S, _POLL_S = 60.0, 0.02


def measure_failovers(
    spec: ServerSpec, driver: Driver, versions: Sequence[str]
) -> Iterator[DriverRow]:
    """Measure every constructor and way of calling of releases of a driver."""
    for version, constructor in driver.constructors_of(versions):
        for way in driver.ways:
            yield measure_failover(spec, driver, version, constructor, way)


def measure_failover(
    spec: ServerSpec,
    driver: Driver,
    version: str,
    constructor: Constructor,
    way: Way,
    *,
    faults: Sequence[str] = (AFTER, BEFORE, BETWEEN),
) -> DriverRow:
    """Measure one constructor and one way of calling of a release of a driver."""
    behaviours: list[Behaviour] = []
    reason = ""
    try:
        subject = subject_of(driver, version, constructor, way)
        for fault in faults:
            behaviours.append(_behaviour(spec, subject, way, fault))
    except MidpipeError as error:
        reason = str(error)
    return DriverRow(
        driver.name,
        version,
        constructor.name,
        way.name,
        behaviours=tuple(behaviours),
        reason=reason,
    )


def _behaviour(spec: ServerSpec, subject: SubjectSpec, way: Way, fault: str) -> Behaviour:
    """Have a client of three Sentinels call once, through one failover."""
    with ExitStack() as stack:
        run = stack.enter_context(closing(RunDirectory()))
        fronts = AnnouncedFront()
        stack.callback(fronts.close)
        group = SentinelGroup(origin_of(spec, run), fronts.announce)
        stack.callback(group.stop)
        holding = _Holding(way.command, _EFFECTS.get(fault))
        fronts.front.listeners[0].director = holding
        loop = stack.enter_context(closing(Loop()))
        client = _Client(loop, run, _asking(subject, group))
        stack.callback(client.close)
        return _called(client, group, holding, way, fault)


def _called(
    client: _Client, group: SentinelGroup, holding: _Holding, way: Way, fault: str
) -> Behaviour:
    client.connect()
    primary, replica = group.nodes
    primary.call("DEL", _LIST)
    if way.takes:
        primary.call("RPUSH", _LIST, *_JOBS)
    answers: list[Answer] = []
    if fault == BETWEEN:
        await_replication(primary, replica)
        group.fail_over()
        client.idle()
        client.begin(way, answers)
    else:
        holding.begin()
        client.begin(way, answers)
        if not holding.happened.wait(PATIENCE_S):
            raise ServerError(f"The client sent no {way.command} to the primary.")
        await_replication(primary, replica)
        has_taken_over = group.kill_primary()
        await_condition(has_taken_over, _TAKES_OVER_WITHIN_S, "promote the replica", _POLL_S)
    client.wait_for(answers)
    left = cast("tuple[bytes, ...]", replica.call("LRANGE", _LIST, 0, -1))
    answer = answers[0] if answers else {}
    return Behaviour(
        fault=fault,
        applied=len(_JOBS) - len(left) if way.takes else len(left),
        answered="ok" in answer,
        raised="error" in answer,
        answer_is_right=not way.takes or answer.get("ok") == _JOBS[0],
        replay="",
    )


def _asking(subject: SubjectSpec, group: SentinelGroup) -> SubjectSpec:
    """Return the subject with the addresses of the Sentinels in its environment."""
    addresses = ",".join(f"{host}:{port}" for host, port in group.addresses)
    environment = (*subject.environment, ("MIDPIPE_SENTINELS", addresses))
    return replace(subject, environment=environment)


class _Client:
    """A process that hosts a client of the Sentinels.

    Raises:
        SubjectError: it can't be hosted.
    """

    def __init__(self, loop: Loop, run: RunDirectory, subject: SubjectSpec) -> None:
        self._loop = loop
        self._host = HostProcess(subject, loop, run)
        try:
            self._host.wait_until_ready()
            self._host.make_instance("A", "redis://through-sentinels")
        except BaseException:
            self._host.kill()
            raise

    def connect(self) -> None:
        """Have the client call once while nothing is broken. Raises SubjectError."""
        answers: list[Answer] = []
        self._host.call("A", "enqueue", {"job_id": "first"}, answers.append)
        self.wait_for(answers)
        if not answers or "error" in answers[0]:
            raise SubjectError(f"The client can't call while nothing is broken: {answers}")

    def idle(self) -> None:
        """Let the client's event loop run, if it has one that runs in calls only; others answer that they have none."""
        answers: list[Answer] = []
        self._host.call("A", "idle", {}, answers.append)
        self.wait_for(answers)

    def begin(self, way: Way, answers: list[Answer]) -> None:
        """Begin the call; its answer is appended when it arrives."""
        name, arguments = ("dequeue", {}) if way.takes else ("enqueue", {"job_id": _JOBS[0]})
        self._host.call("A", name, arguments, answers.append)

    def wait_for(self, answers: list[Answer]) -> None:
        """Wait for the answer, for at most PATIENCE_S."""
        self._loop.run_until(lambda: bool(answers), PATIENCE_S)

    def close(self) -> None:
        """End the process."""
        self._host.kill()


class _Holding(PassingDirector):
    """Holds one command or its reply, from ``begin`` on, until its server dies.

    Args:
        command: its name.
        effects: what happens to it; None lets everything pass.

    Attributes:
        happened: set once the command is held, or was run and its reply is held.
    """

    def __init__(self, command: str, effects: WireEffects | None) -> None:
        self.happened = threading.Event()
        self._command = command.encode()
        self._effects = effects
        self._is_due = False
        self._held: ReceivedCommand | None = None

    def begin(self) -> None:
        """Hold the next one."""
        self._is_due = True

    def is_passthrough(self, received: ReceivedCommand) -> bool:
        return not self._is_due or received.command.name != self._command

    def parked(self, link: Link, received: ReceivedCommand) -> None:
        if self.is_passthrough(received) or self._effects is None:
            super().parked(link, received)
        else:
            self._is_due, self._held = False, received
            link.carry_out(received, self._effects)

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        if received is self._held:
            self.happened.set()
