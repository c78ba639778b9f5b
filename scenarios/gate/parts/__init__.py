"""The parts of the gate, one per module: each plans tasks and turns their results into an outcome."""
