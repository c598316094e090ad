"""The native stepping core of the virtual CPU, and what builds and loads it."""
