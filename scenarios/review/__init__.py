"""The review's issues, each tied to programs and invariants, or to a reading of the source."""
