"""What Redis drivers do with a command whose connection is lost, measured: clients, subscribers, failovers."""
