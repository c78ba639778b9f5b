"""Judges a roll-out by the metrics of its canary, as Prometheus has them."""
