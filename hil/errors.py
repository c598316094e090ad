"""The exceptions of hil, and the exit code each one leads to.

HilError
 +- InputError    what the user gave is wrong (exit 2)
 +- BenchError    an instrument, a port or the host failed (exit 3)
 +- DeviceError   the device under test broke a requirement (exit 1)

A bench failure is never reported as a device failure, nor the other way round: drivers raise
BenchError for their own trouble and DeviceError only for what the device itself answered.
"""

from __future__ import annotations


class HilError(Exception):
    """Base of every exception that hil raises on purpose; its text is one line for a person."""

    exit_code = 3


class InputError(HilError):
    """A file, key, value or argument is wrong; the text names it and says what to do."""

    exit_code = 2


class BenchError(HilError):
    """The bench failed: an instrument is gone, a port is busy, a tool is missing."""

    exit_code = 3


class DeviceError(HilError):
    """The device under test answered wrongly, or not at all, over a bench that works."""

    exit_code = 1
