"""Writes docs/faults.md from the catalogue of faults: python .ci/faults.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.faults.effects import UNTOUCHED, Process
from midpipe.faultinject.faults.fault import Fault
from midpipe.faultinject.vocabulary import FaultRef

PAGE = Path(__file__).resolve().parents[1] / "docs" / "faults.md"
SIZE = 2
TITLES = {
    "wire": "On the wire",
    "server": "At the server",
    "process": "At the client's process",
    "clock": "Of the clock, where it [can be moved](clock.md)",
}
INTRODUCTION = """# Faults

Made from the code by `python .ci/faults.py`. A fault happens at one command: before midpipe passes it on, after
that, or instead. Every fault is real: an error reply comes from the server, a crash is a SIGKILL. `--fault NAME`
injects only this one, `--at COMMAND[:KEY]` only at these commands.
"""
REST = """## What they share

In all rows, *the call* is the call of the queue, such as `enqueue`, that sent the command. Whether it raises what its
driver raises, or hides it by a retry of its own, is up to the queue; midpipe judges what follows from it.

An outage (`refuse`, `oom`, `readonly`, `noperm`, `misconf`, `readdress`) ends with the call in which it began, or as
soon as that call has waited for 0.8 s, a `pause` once it has waited for 2 s, so that a worker that retries until the
server is back can return. For a queue that declares `latency_bound_s` it lasts until the call ends, because such a
queue promises to return under any fault.

A number after a name is a parameter. `late` delivers the command once all clients are done, `late=N` after N further
commands of the same client, so that an old write can overwrite a newer one. If the client sends something else on the
same connection, the command is delivered before that, and its reply arrives first. `elapse=N` lets N seconds pass:
60 are longer than the leases of [the programs](programs.md), 90000 longer than a day. `slow=N` waits N milliseconds
before the command and before the reply, `slice=N` passes N bytes at a time, `bandwidth=N` N bytes in a millisecond.
The tables name the numbers that a sweep tries; a replay line may have others.

`freeze` ends leases of the length that a claim asked for. If the queue chooses the length itself, `freeze` waits, until
another worker gets the client's job, for what the server and the queue show of it: keys with a TTL, the promises
`visibility_timeout_s` and `recovers_within_s`, the idle time of a stream's consumers. If none of these shows it, it
waits a minute on a clock that can be moved; a lease that is longer and not promised is not ended. On the machine's
clock a lease longer than 1.5 s is not ended unless a claim asks for its length, because the client's own time-out would
end before it. Another worker takes over from queues with the calls `claim` and `complete`; of others the process is
only stopped and continued.

`midpipe durability` also starts the server on every prefix of its append-only file, as after a power loss.
"""


def page() -> str:
    """Return the page: of each fault what happens, and when its client notices."""
    tables = (
        f"## {title}\n\n" + "\n".join(table(f for f in CATALOGUE.values() if place_of(f) == place))
        for place, title in TITLES.items()
    )
    return "\n".join((INTRODUCTION, *(f"{each}\n" for each in tables), REST))


def table(faults: Iterable[Fault]) -> Iterator[str]:
    """Yield the lines of a table of faults."""
    yield "| fault | what happens | when the client notices |"
    yield "| --- | --- | --- |"
    for fault in faults:
        names = ", ".join(f"`{FaultRef(fault.name, each)}`" for each in fault.variants)
        yield f"| {names} | {fault.summary} | {fault.noticed} |"


def place_of(fault: Fault) -> str:
    """Return the key of TITLES under which a fault is listed."""
    effects = fault.effects(SIZE, None)
    if fault.needs_stepped_clock:
        return "clock"
    if effects.process is not Process.RUNS:
        return "process"
    return "wire" if effects.server == UNTOUCHED else "server"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
