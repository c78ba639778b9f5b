"""The whole judgement of a subject: its parts, its worker processes, its budget."""
