"""Draws latency as SVG: by percentile for several subjects, and call by call through an outage. Pure.

The pictures have no script and no colour: lines differ in their dashes, so they can be read in black and white.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from midpipe.scenarios.latency.results import CLOSED, FAILOVER, Bench, Outage, Row

_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 190, 30, 40
_DASHES = (
    "",
    "7 3",
    "2 3",
    "10 3 2 3",
    "1 5",
    "14 4",
    "5 2 1 2 1 2",
    "3 8",
    "10 2 2 2 2 2",
    "20 6",
)
_PERCENTS = ("p50", "p90", "p99", "p99.9", "max")

Point = tuple[float, float]


def of_network(bench: Bench, network: str) -> str:
    """Draw how long an enqueue takes on one network, for each subject, where a call begins when the last has ended."""
    place = (network, "enqueue", CLOSED)
    rows = [row for row in bench.rows if (row.network, row.operation, row.mode) == place]
    return by_percentile(f"enqueue, {network}: latency by percentile", rows)


def by_percentile(title: str, rows: Sequence[Row]) -> str:
    """Draw the rows' percentiles on a logarithmic axis in ms."""
    series = {
        row.subject: (
            row.percentiles.p50,
            row.percentiles.p90,
            row.percentiles.p99,
            row.percentiles.p999,
            row.percentiles.longest,
        )
        for row in rows
    }
    scale = _Scale([ms for values in series.values() for ms in values])
    step = (_WIDTH - _LEFT - _RIGHT) / (len(_PERCENTS) - 1)
    parts = [
        *scale.axis(),
        *(
            _text(_LEFT + step * n, _HEIGHT - 18, name, "middle")
            for n, name in enumerate(_PERCENTS)
        ),
    ]
    ends = []
    for number, (name, values) in enumerate(series.items()):
        points = [(_LEFT + step * n, scale.y(ms)) for n, ms in enumerate(values)]
        parts.append(_line(points, _DASHES[number % len(_DASHES)]))
        ends.append((points[-1][1], name))
    return _svg(title, [*parts, *_labels(ends)])


def through_outage(outage: Outage) -> str:
    """Draw every call during an outage: a dot if it returned, a cross if it raised; the outage is shaded."""
    scale = _Scale([call.ms for call in outage.calls])
    last_s = max((outage.ends_s, *(call.due_s for call in outage.calls)))

    def x(seconds: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / last_s

    begins, ends = x(outage.begins_s), x(outage.ends_s)
    parts = [
        f'<rect class="outage" x="{begins:.1f}" y="{_TOP}" width="{ends - begins:.1f}" '
        f'height="{_HEIGHT - _TOP - _BOTTOM}" fill="#ddd"/>',
        *scale.axis(),
        _text(_LEFT, _HEIGHT - 18, "0 s", "middle"),
        _text(x(last_s), _HEIGHT - 18, f"{last_s:.0f} s", "middle"),
        _text(
            begins + 4,
            _TOP + 14,
            "no primary" if outage.cause == FAILOVER else "server out of reach",
        ),
        _text(_WIDTH - _RIGHT + 12, _TOP + 14, "● returned"),
        _text(_WIDTH - _RIGHT + 12, _TOP + 32, "× raised"),
    ]
    for call in outage.calls:
        at_x, at_y = x(call.due_s), scale.y(call.ms)
        if call.ok:
            parts.append(f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="1.6"/>')
        else:
            parts.append(_text(at_x, at_y + 3, "×", "middle"))
    title = f"{outage.subject}: enqueue through {outage.what}, ms from when a call was due"
    return _svg(title, parts)


class _Scale:
    """A logarithmic axis that covers all of the values."""

    def __init__(self, values: Sequence[float]) -> None:
        positive = [value for value in values if value > 0] or [1.0]
        self._low = math.floor(math.log10(min(positive)))
        self._high = max(self._low + 1, math.ceil(math.log10(max(positive))))

    def y(self, ms: float) -> float:
        share = (math.log10(max(ms, 10**self._low)) - self._low) / (self._high - self._low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def axis(self) -> list[str]:
        parts = []
        for power in range(self._low, self._high + 1):
            at = self.y(10.0**power)
            parts.append(_line([(_LEFT, at), (_WIDTH - _RIGHT, at)], "", "#bbb"))
            name = f"{10.0**power:g} ms" if power < 3 else f"{10.0 ** (power - 3):g} s"
            parts.append(_text(_LEFT - 6, at + 4, name, "end"))
        return parts


def _labels(ends: Sequence[tuple[float, str]]) -> list[str]:
    """Return the names at the ends of the lines, each with its dashes, moved apart where they would overlap."""
    parts = []
    last = -math.inf
    order = [name for _, name in ends]
    for wanted, name in sorted(ends):
        at = max(wanted, last + 15)
        last = at
        left = _WIDTH - _RIGHT + 8
        parts.append(
            _line([(left, at), (left + 28, at)], _DASHES[order.index(name) % len(_DASHES)])
        )
        parts.append(_text(left + 34, at + 4, name))
    return parts


def _line(points: Sequence[Point], dashes: str, colour: str = "currentColor") -> str:
    where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{where}" fill="none" stroke="{colour}" stroke-dasharray="{dashes}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'role="img" font-family="sans-serif" font-size="12"><title>{escape(title)}</title>'
        f'<rect class="paper" width="100%" height="100%" fill="#fff"/>{_text(_LEFT, 18, title)}{"".join(parts)}</svg>\n'
    )
