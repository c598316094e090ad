"""The throughput matrix: every setting of a link measured, held against what each stage of its way can carry."""
