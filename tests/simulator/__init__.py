"""Tests of the simulated cloud, over real HTTP where HTTP is the point and with a manual clock where time is."""
