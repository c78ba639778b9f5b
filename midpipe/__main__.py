"""``python -m midpipe``: the same command line as ``midpipe``."""

from midpipe.reports.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
