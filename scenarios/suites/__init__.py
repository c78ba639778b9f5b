"""midpipe for pytest users: fixtures for a team's own tests, and the scenario suites as tests of a subject."""
