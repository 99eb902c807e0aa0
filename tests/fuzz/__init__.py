"""What arrives from outside, whatever it is: targets for a fuzzer, and what it has found so far."""
