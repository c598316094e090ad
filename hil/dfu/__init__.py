"""Device firmware update: SMP clients, their transports, and the transfer engine."""
