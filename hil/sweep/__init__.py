"""The power-fail explorer: power is cut at every flash operation, and at every operation of every recovery."""
