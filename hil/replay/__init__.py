"""Records what crosses the wires of a bench, and plays it back in its place."""
