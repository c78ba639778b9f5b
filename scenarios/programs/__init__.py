"""The programs that clients run: small, named, of a few calls each."""
