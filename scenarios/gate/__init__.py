"""The gate: judges a subject in parts, in worker processes, within a time budget."""
