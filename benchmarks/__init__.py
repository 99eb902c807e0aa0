"""What the bridge costs, measured beside what the libraries under it cost: `scripts/benchmark`."""
