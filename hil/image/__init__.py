"""MCUboot images: build variants, sign, read, and break in a named way."""
