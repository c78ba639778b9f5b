"""What is run against a queue, and what must hold: programs, subjects, cases, invariants, verdicts."""
