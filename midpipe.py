"""The door of midpipe: what this module offers is public, everything else is internal.

midpipe runs the real client code of a queue against a real Redis, breaks the conversation at every
point and shows which jobs that costs. Use it as a command (``midpipe gate``, or ``python -m midpipe
gate`` from a checkout); ``README.md`` tells how.

Importing this module starts nothing, opens nothing and loads none of the parts behind it.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]

if __name__ == "__main__":
    from reports.cli.main import main

    raise SystemExit(main())
