"""Reads the core registers of an engine in one call, for states to be compared thousands of times a second."""

from __future__ import annotations

import ctypes

from unicorn import arm_const as arm
from unicorn.unicorn_py3.unicorn import uclib

_READ = (
    *range(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R0 + 13),
    arm.UC_ARM_REG_SP,
    arm.UC_ARM_REG_LR,
    arm.UC_ARM_REG_XPSR,
)
_COUNT = len(_READ)


class RegisterBlock:
    """R0 to R12, SP, LR and XPSR, 4 bytes each."""

    def __init__(self) -> None:
        self._values = (ctypes.c_uint32 * _COUNT)()
        self._names = (ctypes.c_int * _COUNT)(*_READ)
        at = ctypes.addressof(self._values)
        self._places = (ctypes.c_void_p * _COUNT)(*(at + 4 * index for index in range(_COUNT)))

    def read(self, engine: int) -> bytes:
        """The registers of the engine with this handle, as they are now."""
        uclib.uc_reg_read_batch(ctypes.c_void_p(engine), self._names, self._places, _COUNT)
        return bytes(self._values)
