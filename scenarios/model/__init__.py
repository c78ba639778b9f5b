"""What is said of a case, a subject and a verdict: plain values, without I/O."""
