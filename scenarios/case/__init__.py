"""One case: its clients, the harness around them, what is recorded, and the judgement."""
