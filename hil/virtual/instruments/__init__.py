"""Instruments of the virtual bench: each takes the bytes a real one would and answers in kind."""
