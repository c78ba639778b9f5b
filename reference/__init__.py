"""The queue that passes. Does not know that it is tested."""
