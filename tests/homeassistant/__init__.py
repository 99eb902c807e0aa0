"""How a real Home Assistant takes what the bridge tells it."""
