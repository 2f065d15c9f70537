"""The parts of the embedded HTTP server: limits, faults, error shapes, encoded answers, file links, routes."""
