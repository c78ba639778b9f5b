"""The Redis protocol, sans I/O: bytes in, commands and replies out."""
