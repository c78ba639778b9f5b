"""Flawed queues that the invariants must catch; ``midpipe selfcheck`` proves that they do."""
