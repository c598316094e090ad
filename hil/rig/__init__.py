"""Rig files and the benches they open; the only package that reaches the virtual bench."""
