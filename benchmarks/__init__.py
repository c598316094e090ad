"""Benchmarks: ratios side by side, each in one run."""
