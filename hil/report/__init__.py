"""Reports made from what a run recorded."""
