"""Starts the processes of a soak, and makes sure that its calls work without faults."""

from __future__ import annotations

from midpipe.faultinject.clock.port import NotFollowedError
from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.triggered_proxy import TriggeredProxy
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.soak.load_processes import LoadProcess
from midpipe.scenarios.soak.plan import SoakPlan
from midpipe.scenarios.soak.workload import Request, Taking, producer_request, worker_request


def start_processes(rig: Rig, plan: SoakPlan, taking: Taking) -> list[LoadProcess]:
    """Start all processes at once, then wait for each; producers come first.

    Raises:
        SubjectError: the subject can't be loaded, or one of its calls fails without any fault.
        NotFollowedError: the clock is stepped, and a process does not read it.
    """
    processes = []
    try:
        for name, request in _requests(plan, taking):
            proxy = TriggeredProxy(rig.loop, lambda: rig.server.address, rig.table)
            url = rig.url_at(proxy.port, plan.time_out_ms)
            processes.append(LoadProcess(rig.hosts.new, proxy, name=name, request=request, url=url))
        for process in processes:
            process.wait_until_open()
            if not rig.clock.follows(process.host.pid):
                raise NotFollowedError(f"{rig.subject.name} does not read the stepped clock.")
        _take_probe_job(rig, plan, taking)
    except BaseException:
        for process in processes:
            process.close()
        raise
    return processes


def _requests(plan: SoakPlan, taking: Taking) -> list[tuple[str, Request]]:
    """Return each process's name, and the part of its request that is the same in all steps."""
    requests = [(f"P{n}", producer_request()) for n in range(1, plan.clients + 1)]
    if taking is Taking.DRAINED:
        return requests
    every = plan.chaos.overstays_every
    # Each worker takes its share of the jobs, and is to overstay at least once.
    every = min(every, max(2, min(plan.jobs, plan.segment_jobs) // plan.workers // 2))
    workers = [f"W{n}" for n in range(1, plan.workers + 1)]
    requests += [
        (name, worker_request(taking, name, lease_s=plan.lease_s, overstays_every=every))
        for name in workers
    ]
    return requests


def _take_probe_job(rig: Rig, plan: SoakPlan, taking: Taking) -> None:
    """Take the probe's job without faults, so that a call that never works is reported before the load begins."""
    if taking is Taking.DRAINED:
        return
    request = worker_request(taking, "midpipe", lease_s=plan.lease_s, overstays_every=0)
    arguments = request["arguments"]
    assert isinstance(arguments, dict)
    job = _called(rig, str(request["work"]), dict(arguments))
    if taking is Taking.LEASED and isinstance(job, dict):
        taken, completion = request["taken"], request["completion"]
        assert isinstance(taken, dict)
        assert isinstance(completion, dict)
        fields = {name: job.get(field) for name, field in taken.items()}
        _called(rig, "complete", {**completion, **fields})


def _called(rig: Rig, method: str, arguments: dict[str, Json]) -> Json:
    answered = rig.recovery.call(method, arguments)
    if answered.error is not None:
        raise SubjectError(
            f"{rig.subject.name} can't {method} even without a fault: {answered.error.type}: "
            f"{answered.error.message}. Its calls must have the signatures that the README shows."
        )
    return answered.value
