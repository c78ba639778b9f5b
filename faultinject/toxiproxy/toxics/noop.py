"""noop: everything passes at once."""

from midpipe.faultinject.toxiproxy.toxics.toxic import Toxic, passes

NOOP = Toxic(
    name="noop",
    take=lambda chunk, here: passes(chunk),
)
