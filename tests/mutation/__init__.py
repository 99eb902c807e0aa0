"""The pure floors, changed a little in one place at a time, to see whether a test notices."""
