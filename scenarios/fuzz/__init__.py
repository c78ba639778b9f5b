"""Programs, orders and faults written at random."""
