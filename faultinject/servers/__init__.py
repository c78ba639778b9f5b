"""Redis-protocol servers to break: started by midpipe, or named by the user."""
