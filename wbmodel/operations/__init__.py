"""Run it: every operation on a backend, as a generator without I/O and without a colour."""
