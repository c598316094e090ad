"""Exception programs, each a C function that both machines run; what the handlers saw is compared."""
