"""The bridge's own web server, over HTTP on loopback."""
