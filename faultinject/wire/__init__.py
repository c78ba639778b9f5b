"""The protocol without I/O: bytes in, commands, replies and wire events out."""
