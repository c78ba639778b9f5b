"""How long a subject's calls take, beside others', under named networks and through an outage."""
