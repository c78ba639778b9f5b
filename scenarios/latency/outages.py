"""Enqueues at a fixed rate through an outage or a failover, and when calls succeed again afterwards.

In a failover midpipe kills the primary, and three Sentinels promote its replica. Clients keep one address, which leads
to the current primary, as behind a load balancer or a service that follows the Sentinels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.shaper import Shaper
from midpipe.faultinject.servers.sentinel import SentinelGroup
from midpipe.scenarios.case.answered import answered_from
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.latency.load import answers_of, connect
from midpipe.scenarios.latency.results import FAILOVER, OUT_OF_REACH, Outage, OutageCall
from midpipe.scenarios.latency.workload import Arguments
from midpipe.scenarios.programs.calls import enqueue

_RATE = 100.0
_BEFORE_AND_AFTER_S = 1.0
_TAKES_OVER_WITHIN_S, _ASKED_EVERY_S = 60.0, 0.05


def through_outage(loop: Loop, name: str, rig: Rig, shaper: Shaper, lasts_s: float) -> Outage:
    """Enqueue at a fixed rate, and make the server unreachable for some time.

    Args:
        shaper: through which the client reaches the rig's server, which is empty.
        lasts_s: duration of the outage.
    """
    connect(rig, shaper.port)
    ended_s: list[float] = []

    def end(begun_s: float) -> None:
        shaper.mend()
        ended_s.append(loop.clock() - begun_s)

    def begin(begun_s: float) -> None:
        shaper.cut()
        loop.call_later(lasts_s, lambda: end(begun_s))

    return _measured(loop, name, OUT_OF_REACH, rig, begin=begin, ended_s=ended_s)


def through_failover(
    loop: Loop, name: str, rig: Rig, shaper: Shaper, group: SentinelGroup
) -> Outage:
    """Enqueue at a fixed rate, and kill the primary meanwhile.

    Args:
        shaper: through which the client reaches the group's primary, which is empty.

    Raises:
        ServerError: the replica does not take over.
    """
    connect(rig, shaper.port)
    ended_s: list[float] = []
    deadline_s = loop.clock() + _TAKES_OVER_WITHIN_S

    def follow(has_taken_over: Callable[[], bool], begun_s: float) -> None:
        if has_taken_over():
            shaper.upstream = group.primary.address
            ended_s.append(loop.clock() - begun_s)
        elif loop.clock() > deadline_s:
            raise ServerError(f"No replica took over within {_TAKES_OVER_WITHIN_S:.0f} s.")
        else:
            loop.call_later(_ASKED_EVERY_S, lambda: follow(has_taken_over, begun_s))

    return _measured(
        loop,
        name,
        FAILOVER,
        rig,
        begin=lambda begun_s: follow(group.kill_primary(), begun_s),
        ended_s=ended_s,
    )


def _measured(
    loop: Loop,
    name: str,
    cause: str,
    rig: Rig,
    *,
    begin: Callable[[float], None],
    ended_s: list[float],
) -> Outage:
    """Run the load until some time after the end of the outage.

    Args:
        begin: begins the outage, given the time at which the load began.
        ended_s: gets the time at which the outage ended, in seconds since the load began.
    """
    begun_s = loop.clock()
    loop.call_later(_BEFORE_AND_AFTER_S, lambda: begin(begun_s))
    calls: list[OutageCall] = []
    returned_s: list[float] = []

    def enqueues() -> Iterator[Arguments]:
        number = 0
        while not ended_s or loop.clock() - begun_s < ended_s[0] + _BEFORE_AND_AFTER_S:
            yield enqueue(f"job-{number}", f"request-{number}").given()
            number += 1

    for number, (late_ms, message) in enumerate(
        answers_of(loop, rig, "enqueue", enqueues(), _RATE)
    ):
        answered = answered_from(message)
        due_s = number / _RATE
        call = OutageCall(
            round(due_s, 3), round(late_ms + answered.ms, 3), ok=answered.error is None
        )
        calls.append(call)
        if call.ok:
            returned_s.append(due_s + call.ms / 1000)
    ends_s = ended_s[0]
    again_s = next((at_s for at_s in returned_s if at_s >= ends_s), None)
    return Outage(
        subject=name,
        cause=cause,
        begins_s=_BEFORE_AND_AFTER_S,
        ends_s=round(ends_s, 3),
        succeeds_again_s=None if again_s is None else round(again_s - ends_s, 3),
        failed=sum(not call.ok for call in calls),
        longest_ms=max((call.ms for call in calls), default=0.0),
        calls=tuple(calls),
    )
