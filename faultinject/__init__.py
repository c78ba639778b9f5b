"""Faults on the wire, at servers and in processes: what can happen, who decides it, how it is done. Knows no queue."""
