"""The virtual bench: kits, air, power and instruments emulated below the wire, in virtual time."""
