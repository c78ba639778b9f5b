"""What the clients do: small, named programs of a few calls each."""
