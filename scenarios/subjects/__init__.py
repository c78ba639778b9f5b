"""Subjects: the queues under test, hosted in separate processes that speak the subject protocol."""
