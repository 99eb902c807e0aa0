"""The whole: the daemon as a process between a real mosquitto and the simulated cloud."""
