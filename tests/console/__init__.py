"""The console: what it keeps, what it shows, and what it passes on."""
