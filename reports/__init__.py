"""What a person or a CI system reads, made from a verdict."""
