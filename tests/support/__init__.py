"""Real parts that only tests start: a Redis Cluster, and a Toxiproxy in a container."""
