"""Power supplies for the device under test: one small protocol, one driver a file."""

from hil.supply.base import Supply
from hil.supply.scpi import ScpiSupply

__all__ = ["ScpiSupply", "Supply"]
