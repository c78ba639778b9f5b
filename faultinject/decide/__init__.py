"""Who decides what happens next on the wire: schedulers, their text form, their ledger. Pure."""
