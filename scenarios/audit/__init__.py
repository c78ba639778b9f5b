"""Audits a live queue's keys, read-only: what is lost, orphaned, stuck, doubled, diverging or malformed."""
