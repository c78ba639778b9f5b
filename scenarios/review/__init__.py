"""The issues of the review, each tied to programs and invariants, or to a check of the source code."""
