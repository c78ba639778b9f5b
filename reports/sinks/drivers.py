"""The table of what drivers do with a command whose connection is lost, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, product

from midpipe.reports.markdown_text import Markdown, code, inline, table_row
from midpipe.scenarios.drivers.commands import PATIENCE_S, Behaviour, DriverRow
from midpipe.scenarios.drivers.failovers import AFTER, BEFORE, BETWEEN
from midpipe.scenarios.drivers.receivers import WAITS_S, ReceiverRow, Reception
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS

_TIMES = {0: "never", 1: "once", 2: "twice"}
_HEAD = """\
# What drivers do when the connection is lost

A command is on its way, or its reply is, and the connection is cut. How often does the server run the command, and
what does the caller learn? `midpipe drivers` has measured it on {server}.
Each client is made with the defaults of its constructor, except where the table names an option. Each call is made with
the connection cut at its first command, then at its second, and so on: by a reset (RST), and where the reply is lost
also by an orderly close (FIN). A cell shows the worst of these cases. From the best to the worst:

- *once, answered*: the server has run the command once, and the call returns its answer. If the command was cut off,
  the driver has sent it again.
- *once, error*: the server has run it once, and the call raises. The caller can't tell it from *never, error*.
- *never, error*: the server has not run it, and the call raises.
- *once, no answer*, *never, no answer*: the call does not return within {bound:g} s ({patience:g} s in a failover). The
  caller's own time-out must end it.
- **twice, answered**: the server has run it twice, and the call returns as if nothing had happened.
- **twice, wrong answer**: a call took two jobs and returned the second. The first is lost.
- –: the release does not have this client.

In bold: the caller believes what is not so. A command that may not run twice can't be sent again safely: a push needs
a request id that the server checks in the same script, and a pop needs a lease.

A pipeline is an `INCR` and an `RPUSH` in one write: without `MULTI` the cell counts the one that was hit, with `MULTI`
(`transaction=True`, `multi()`, `TxPipelined()`) the transaction. The call that watches reads a version (`WATCH`,
`GET`), changes it and pushes in a transaction, and begins again if the version has changed; redis-py and valkey-py also
take a connection that is lost meanwhile for a change.

A client that asks Sentinels is measured while they promote the replica of a primary that died, which takes a few
seconds. What the primary has run is on the replica by then; replication that lags loses acknowledged commands as well,
whatever the driver does.

A subscriber whose connection is lost misses what is published until it has subscribed again. Its tables say whether
it receives messages again within {waits:g} s, and what its caller learns:

- *again, error*, *never, error*: the call for the next message raises.
- *again, notice*: no call raises. The driver reports the new connection only to a caller that checks for it: redis-py
  and valkey-py hand out a second `subscribe` message, ioredis emits `close`.
- **again, unnoticed**: messages are missing, and nothing shows it.
- **never, unnoticed**: no message arrives, and nothing shows it. No driver can notice at once that a connection is lost
  whose own end stays open (a pulled cable, a firewall that forgets it); a health check or TCP keepalive would, later.

Measure a release of your own choice: `midpipe drivers --driver redis-py --release 7.1.0`.
"""
_TITLES = {
    "lost-reply": "The server has run the command, and the reply is lost",
    "cut-before": "The command is cut off before it reaches the server",
    AFTER: "The primary has run the command, and dies before it replies",
    BEFORE: "The primary dies before the command reaches it",
    BETWEEN: "The primary dies while the client is idle, and the replica has taken over before the call",
}


_UNKNOWN, _ABSENT = Markdown("?"), Markdown("–")
_LOSSES = {
    "closed": "A subscriber's connection is closed",
    "silent": "A subscriber's connection is lost, and its end stays open",
}


def drivers_markdown(
    rows: Sequence[DriverRow], receivers: Sequence[ReceiverRow], server: str
) -> str:
    """Return the page: for each driver one table for each fault, with a column for each release.

    Args:
        receivers: the subscribers of the drivers that were measured.
        server: name and version of the server.
    """
    lines = [
        _HEAD.format(
            server=server,
            waits=WAITS_S,
            bound=DEFAULT_LATENCY_BOUND_MS / 1000,
            patience=PATIENCE_S,
        )
    ]
    for driver, found in groupby(rows, key=lambda row: row.driver):
        of_driver = tuple(found)
        subscribers = tuple(row for row in receivers if row.driver == driver)
        lines += [f"## {driver}", "", *_commands(of_driver), *_subscribers(subscribers)]
        lines += _unknown((*of_driver, *subscribers))
    return "\n".join(lines)


def _commands(rows: Sequence[DriverRow]) -> list[str]:
    """Return the tables of a driver's calls, one for each fault that was measured."""
    cells = {
        (behaviour.fault, row.way, row.constructor, row.version): _cell(behaviour)
        for row in rows
        for behaviour in row.behaviours
    }
    unknown = {(row.way, row.constructor, row.version): _UNKNOWN for row in rows if row.reason}
    versions = tuple(dict.fromkeys(row.version for row in rows))
    ways = dict.fromkeys(row.way for row in rows)
    keys = tuple(product(ways, dict.fromkeys(row.constructor for row in rows)))
    lines = []
    for fault, title in _TITLES.items():
        if not any(fault == key[0] for key in cells):
            continue
        lines += [f"### {title}", "", *_head(("call", "client", *versions))]
        for key in keys:
            found = (
                cells.get((fault, *key, version), unknown.get((*key, version), _ABSENT))
                for version in versions
            )
            lines.append(table_row((*map(code, key), *found)))
        lines.append("")
    return lines


def _subscribers(rows: Sequence[ReceiverRow]) -> list[str]:
    """Return the tables of a driver's subscribers, one for each loss that was measured."""
    cells = {
        (reception.loss, row.constructor, row.version): _reception(reception)
        for row in rows
        for reception in row.receptions
    }
    unknown = {(row.constructor, row.version): _UNKNOWN for row in rows if row.reason}
    versions = tuple(dict.fromkeys(row.version for row in rows))
    lines = []
    for loss, title in _LOSSES.items():
        if not any(loss == key[0] for key in cells):
            continue
        lines += [f"### {title}", "", *_head(("client", *versions))]
        for constructor in dict.fromkeys(row.constructor for row in rows):
            found = (
                cells.get(
                    (loss, constructor, version), unknown.get((constructor, version), _ABSENT)
                )
                for version in versions
            )
            lines.append(table_row((code(constructor), *found)))
        lines.append("")
    return lines


def _unknown(rows: Sequence[DriverRow | ReceiverRow]) -> list[str]:
    """Return what could not be measured, by the reason."""
    whats: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            whats.setdefault(row.reason, []).append(
                f"{code(row.way)} of {code(row.constructor)}, {row.version}"
            )
    if not whats:
        return []
    lines = [f"- {inline(reason)} ({'; '.join(what)})" for reason, what in whats.items()]
    return ["Not measured (?):", "", *lines, ""]


def _head(cells: Sequence[str]) -> list[str]:
    return [table_row(cells), table_row([Markdown("---")] * len(cells))]


def _reception(reception: Reception) -> Markdown:
    again = "again" if reception.receives_again else "never"
    if reception.deceives:
        return Markdown(f"**{again}, unnoticed**")
    return Markdown(f"{again}, {'error' if reception.raised else 'notice'}")


def _cell(behaviour: Behaviour) -> Markdown:
    times = _TIMES.get(behaviour.applied, f"{behaviour.applied} times")
    if not behaviour.answered:
        return Markdown(f"{times}, {'error' if behaviour.raised else 'no answer'}")
    truth = "answered" if behaviour.answer_is_right else "wrong answer"
    return Markdown(f"**{times}, {truth}**" if behaviour.deceives else f"{times}, {truth}")
