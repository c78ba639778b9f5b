"""The parts of the gate: what each asks the workers to do, and what it makes of their answers."""
