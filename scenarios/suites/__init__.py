"""midpipe for pytest: fixtures for a team's own tests, and the scenario suites as tests of a subject."""
