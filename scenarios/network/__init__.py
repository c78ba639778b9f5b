"""A queue's calls through a Toxiproxy, real or midpipe's own: network faults, judged by the same invariants."""
