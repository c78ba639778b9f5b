"""noop: everything passes at once."""

from midpipe.faultinject.toxiproxy.toxics.toxic import Toxic, passes

NOOP = Toxic(
    name="noop",
    go_name="NoopToxic",
    take=lambda chunk, here: passes(chunk),
)
