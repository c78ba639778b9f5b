"""A Redis-protocol server to break: started, reset and stopped by us, or named by the user."""
