"""Stateful fuzzing: programs, orders and faults generated at random, each run as one case."""
