"""Hardware-in-the-loop tests for firmware updates over Bluetooth LE."""

from __future__ import annotations

__version__ = "0.1.0"
