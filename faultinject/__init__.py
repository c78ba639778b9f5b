"""What can happen on the wire, who decides it, and how it is done. Knows no queue."""
