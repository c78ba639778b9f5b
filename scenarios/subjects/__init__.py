"""Subjects: the queues under test, hosted in processes of their own and spoken to by one protocol."""
