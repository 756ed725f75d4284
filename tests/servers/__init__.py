"""Real servers on loopback for the tests: each is started and stopped by a context manager."""
