"""Plain values without I/O: a case's history and record, a subject's description, and the verdict."""
