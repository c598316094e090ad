"""How phones and computers behave as the central of an update, as data with the source of each figure."""
