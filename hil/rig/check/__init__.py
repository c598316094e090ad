"""Whether a bench is in order: each instrument does its work, and a cut of the power is one."""

from hil.rig.check.check import Finding, check

__all__ = ["Finding", "check"]
