"""Queues with one planted flaw each, which the invariants must catch."""
