"""Bluetooth LE on the bench's side: the central, its link, and captures of both."""
