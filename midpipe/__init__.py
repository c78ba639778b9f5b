"""midpipe breaks the connection between a job queue and its Redis at every point, and shows which jobs that costs.

What this module lists in ``__all__`` is the public API; everything else is private. Use midpipe as a command
(``midpipe gate``, or ``python -m midpipe gate``), as pytest fixtures, or from Python.

Importing this module starts nothing, opens nothing and loads none of the parts behind it.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
