"""Where third-party stacks meet the virtual bench; the only files of hil.virtual that import them."""
