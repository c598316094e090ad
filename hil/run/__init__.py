"""Plans, the progress of a run, and the run folder, of which this package is the only writer."""
