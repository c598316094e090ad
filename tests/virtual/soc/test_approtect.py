"""Access port protection by build code (nRF52840 Product Specification, Debug and trace)."""

from __future__ import annotations

import struct

import pytest

from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.power.rail import Rail
from hil.virtual.power.source import Profile
from hil.virtual.soc.nrf52840 import Soc
from hil.virtual.soc.peripheral import ResetCause

FORCEPROTECT, DISABLE = 0x4000_0550, 0x4000_0558
UICR_APPROTECT = 0x1000_1208


def chip(revision: str, approtect: int = 0xFFFF_FFFF) -> Soc:
    kernel = Kernel(1)
    soc = Soc(kernel, Rail(kernel, source=Profile(3.0)), revision=revision)
    soc.memory.write(0, struct.pack("<II", 0x2004_0000, 0x101) + b"\xff" * 0xF8 + b"\xfe\xe7")
    soc.memory.write(UICR_APPROTECT, approtect.to_bytes(4, "little"))
    kernel.advance(2 * TICKS_PER_MS)
    return soc


def open_by_software(soc: Soc) -> None:
    soc.bus.write(DISABLE, 4, 0x5A)


@pytest.mark.parametrize("revision", ["Rev1", "Rev2"])
def test_an_early_chip_is_open_until_the_reset_after_uicr_says_otherwise(revision: str) -> None:
    soc = chip(revision)
    assert not soc.debug.locked
    soc.memory.write(UICR_APPROTECT, b"\x00\xff\xff\xff")
    assert not soc.debug.locked
    soc.reset(ResetCause.SOFT)
    assert soc.debug.locked
    soc.debug.erase_all()
    soc.kernel.advance(soc.kernel.now + 200 * TICKS_PER_MS)
    assert not soc.debug.locked


def test_rev3_needs_both_uicr_and_software() -> None:
    blank = chip("Rev3")
    open_by_software(blank)
    assert blank.debug.locked
    soc = chip("Rev3", 0xFFFF_FF5A)
    assert soc.debug.locked
    open_by_software(soc)
    assert not soc.debug.locked


@pytest.mark.parametrize(
    ("cause", "locked"),
    [
        (ResetCause.SOFT, False),
        (ResetCause.LOCKUP, False),
        (ResetCause.DEBUG, False),
        (ResetCause.PIN, True),
        (ResetCause.WATCHDOG, True),
        (ResetCause.SYSTEM_OFF, True),
    ],
)
def test_which_resets_close_a_port_that_was_open(cause: ResetCause, locked: bool) -> None:
    by_software = chip("Rev3", 0xFFFF_FF5A)
    open_by_software(by_software)
    by_erase = chip("Rev3")
    by_erase.debug.erase_all()
    by_erase.kernel.advance(by_erase.kernel.now + 200 * TICKS_PER_MS)
    assert not by_erase.debug.locked
    for soc in (by_software, by_erase):
        soc.reset(cause)
        assert soc.debug.locked is locked


def test_force_keeps_software_from_opening_the_port_until_any_reset() -> None:
    soc = chip("Rev3", 0xFFFF_FF5A)
    soc.bus.write(FORCEPROTECT, 4, 0)
    open_by_software(soc)
    assert soc.debug.locked
    soc.bus.write(FORCEPROTECT, 4, 0xFF)
    assert soc.debug.locked
    soc.reset(ResetCause.SOFT)
    open_by_software(soc)
    assert not soc.debug.locked
