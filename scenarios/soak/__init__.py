"""Soak: many jobs under load and faults for a long time; every job is accounted for in the end."""
