"""A bench of a labgrid laboratory for the time of one run; see docs/lab.md."""
