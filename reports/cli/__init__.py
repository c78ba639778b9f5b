"""The command line: parsing only, one command a file."""
