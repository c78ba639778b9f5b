"""The toxics of Toxiproxy, by type. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from midpipe.faultinject.toxiproxy.toxics.bandwidth import BANDWIDTH
from midpipe.faultinject.toxiproxy.toxics.latency import LATENCY
from midpipe.faultinject.toxiproxy.toxics.limit_data import LIMIT_DATA
from midpipe.faultinject.toxiproxy.toxics.noop import NOOP
from midpipe.faultinject.toxiproxy.toxics.reset_peer import RESET_PEER
from midpipe.faultinject.toxiproxy.toxics.slicer import SLICER
from midpipe.faultinject.toxiproxy.toxics.slow_close import SLOW_CLOSE
from midpipe.faultinject.toxiproxy.toxics.timeout import TIMEOUT
from midpipe.faultinject.toxiproxy.toxics.toxic import Toxic

TOXICS: Mapping[str, Toxic] = MappingProxyType(
    {
        toxic.name: toxic
        for toxic in (
            LATENCY,
            BANDWIDTH,
            SLOW_CLOSE,
            TIMEOUT,
            RESET_PEER,
            SLICER,
            LIMIT_DATA,
            NOOP,
        )
    }
)
