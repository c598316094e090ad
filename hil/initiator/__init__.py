"""A program of somebody else's drives the update, while the bench injects faults and judges the device."""
