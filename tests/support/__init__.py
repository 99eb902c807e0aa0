"""What the tests of the edges and of the whole have in common: a real broker, the simulated cloud, the daemon."""
