"""Core registers by the numbers of DCRSR (ARMv7-M Architecture Reference Manual, C1.6.3)."""

from __future__ import annotations

from unicorn import arm_const as arm
from unicorn.unicorn_py3.unicorn import Uc

from hil.virtual.native import core as native

SP, LR, PC, XPSR, MSP, PSP, SPECIAL, FPSCR, S0 = 13, 14, 15, 16, 17, 18, 20, 0x21, 0x40

_PLAIN = {
    **{number: arm.UC_ARM_REG_R0 + number for number in range(13)},
    SP: arm.UC_ARM_REG_SP,
    LR: arm.UC_ARM_REG_LR,
    MSP: arm.UC_ARM_REG_MSP,
    PSP: arm.UC_ARM_REG_PSP,
    FPSCR: arm.UC_ARM_REG_FPSCR,
    **{S0 + number: arm.UC_ARM_REG_S0 + number for number in range(32)},
}
# CONTROL, FAULTMASK, BASEPRI and PRIMASK share one number, a byte each from the top.
_MASKS = (
    (arm.UC_ARM_REG_PRIMASK, 0),
    (arm.UC_ARM_REG_BASEPRI, 8),
    (arm.UC_ARM_REG_FAULTMASK, 16),
)
_THUMB = 1 << 24


def read(engine: Uc, core: native.Core, number: int) -> int:
    """The register's value; PC without the thumb bit. Raises ValueError for an unknown number."""
    if number in _PLAIN:
        with _Privileged(engine, number in (MSP, PSP)):
            return int(engine.reg_read(_PLAIN[number])) & 0xFFFF_FFFF
    if number == PC:
        return int(core.pc)
    if number == XPSR:
        return int(engine.reg_read(arm.UC_ARM_REG_XPSR)) & ~_THUMB | (_THUMB if core.thumb else 0)
    if number == SPECIAL:
        control = int(engine.reg_read(arm.UC_ARM_REG_CONTROL)) & 7
        with _Privileged(engine):
            masks = sum((int(engine.reg_read(register)) & 0xFF) << shift for register, shift in _MASKS)
        return control << 24 | masks
    raise ValueError(f"no core register {number}")


def write(engine: Uc, core: native.Core, number: int, value: int) -> None:
    """Set the register. Raises ValueError for an unknown number."""
    if number in _PLAIN:
        with _Privileged(engine, number in (MSP, PSP)):
            engine.reg_write(_PLAIN[number], value)
    elif number == PC:
        core.pc, core.thumb, core.sleeping = value & ~1, 1, 0
    elif number == XPSR:
        core.thumb = value >> 24 & 1
        engine.reg_write(arm.UC_ARM_REG_XPSR_NZCVQG, value & 0xF80F_0000)
        engine.reg_write(arm.UC_ARM_REG_EPSR, value & 0x0700_FC00)
        engine.reg_write(arm.UC_ARM_REG_IPSR, value & 0x1FF)
    elif number == SPECIAL:
        with _Privileged(engine):
            for register, shift in _MASKS:
                engine.reg_write(register, value >> shift & 0xFF)
        control = value >> 24 & 7
        # Inside the engine another bit goes with FPCA: see FP_CONTEXT in exceptions.c.
        engine.reg_write(arm.UC_ARM_REG_CONTROL, control | (8 if control & 4 else 0))
    else:
        raise ValueError(f"no core register {number}")


class _Privileged:
    """Unicorn hides special registers from unprivileged thread mode; a debugger is not bound by that."""

    def __init__(self, engine: Uc, needed: bool = True) -> None:
        self._engine = engine
        self._needed = needed
        self._control = 0

    def __enter__(self) -> None:
        self._control = int(self._engine.reg_read(arm.UC_ARM_REG_CONTROL)) if self._needed else 0
        if self._raised():
            self._ipsr(1)
            self._engine.reg_write(arm.UC_ARM_REG_CONTROL, self._control & ~1)
            self._ipsr(0)

    def __exit__(self, *_: object) -> None:
        if self._raised():
            self._engine.reg_write(arm.UC_ARM_REG_CONTROL, self._control)

    def _raised(self) -> bool:
        return bool(self._control & 1) and not int(self._engine.reg_read(arm.UC_ARM_REG_IPSR)) & 0x1FF

    def _ipsr(self, number: int) -> None:
        self._engine.reg_write(arm.UC_ARM_REG_IPSR, number)
