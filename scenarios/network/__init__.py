"""A queue's calls through a Toxiproxy, real or midpipe's own: faults of bytes and time, the usual invariants."""
