"""Where a verdict is written to: each sink listens, none is known to the engine."""
