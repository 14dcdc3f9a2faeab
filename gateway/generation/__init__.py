"""The heart: from a validated request to delivered pictures."""
