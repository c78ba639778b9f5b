"""Schedulers, which decide what happens next on the wire; the text form of schedules; the ledger. Pure."""
