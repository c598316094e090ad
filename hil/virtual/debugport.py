"""The debug port of the virtual chip: an SW-DP, the AHB-AP in front of the bus, and Nordic's CTRL-AP.

What a probe on the two SWD pins can see and do, register by register, with no notion of time: how long a
transfer takes on the wire is the probe's business. Sources: Arm Debug Interface v5.2 (IHI 0031) for the DP
and the MEM-AP, the Cortex-M4 technical reference manual for the AHB-AP's values, and the nRF52840 product
specification, "Control access port (CTRL-AP)".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

WORD = 0xFFFF_FFFF

# Debug port, by address.
DP_DPIDR_ABORT = 0x0
DP_CTRL_STAT = 0x4
DP_SELECT_RESEND = 0x8
DP_RDBUFF = 0xC

DPIDR = 0x2BA0_1477
"""DPv1 SW-DP designed by Arm, as every nRF52 answers."""

ABORT_STKERRCLR = 1 << 2
CTRL_STICKYERR = 1 << 5
CTRL_CDBGPWRUPREQ = 1 << 28
CTRL_CSYSPWRUPREQ = 1 << 30
_CTRL_WRITABLE = CTRL_CDBGPWRUPREQ | CTRL_CSYSPWRUPREQ | 0x0000_0F01

# Access ports, by number.
AHB_AP = 0
CTRL_AP = 1

# AHB-AP registers.
AP_CSW = 0x00
AP_TAR = 0x04
AP_DRW = 0x0C
AP_BD0 = 0x10
AP_CFG = 0xF4
AP_BASE = 0xF8
AP_IDR = 0xFC

AHB_AP_IDR = 0x2477_0011
ROM_TABLE_BASE = 0xE00F_F003
"""Base of the ROM table, with the "present" and "format" bits."""

CSW_SIZE = 0x7
CSW_INCREMENT = 0x30
CSW_INCREMENT_SINGLE = 0x10
CSW_INCREMENT_PACKED = 0x20
CSW_DEVICE_ENABLED = 0x40
_CSW_WRITABLE = 0x2300_0037
_CSW_RESET = 0x2300_0002
_INCREMENT_WRAP = 0x1000
"""TAR counts inside a 4 KB page and wraps (Cortex-M4 AHB-AP)."""

# CTRL-AP registers.
CTRL_AP_RESET = 0x00
CTRL_AP_ERASEALL = 0x04
CTRL_AP_ERASEALLSTATUS = 0x08
CTRL_AP_APPROTECTSTATUS = 0x0C
CTRL_AP_IDR = 0x1288_0000


class WireError(Exception):
    """A transfer on the SWD wire did not end with an OK acknowledge."""


class NoAcknowledge(WireError):
    """Nobody drives the wire: the chip is not powered, or the line was not reset first."""


class FaultAcknowledge(WireError):
    """The DP answered FAULT: this access or an earlier one failed and STICKYERR is set."""


class TargetBusError(Exception):
    """An access through the AHB-AP ended in a bus error; what `DebugTarget` raises."""


class DebugTarget(Protocol):
    """What the debug port needs of the chip behind it."""

    @property
    def powered(self) -> bool:
        """True while the supply keeps the debug logic alive."""

    @property
    def power_cycles(self) -> int:
        """Grows by one at each power-on; a change resets the debug port."""

    @property
    def locked(self) -> bool:
        """True while access port protection closes the AHB-AP."""

    @property
    def erasing(self) -> bool:
        """True while a CTRL-AP erase is under way."""

    def bus_read(self, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes from the system bus; raises TargetBusError."""

    def bus_write(self, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes to the system bus; raises TargetBusError."""

    def bus_read_block(self, address: int, words: int) -> Sequence[int]:
        """Read that many aligned words; raises TargetBusError."""

    def bus_write_block(self, address: int, values: Sequence[int]) -> None:
        """Write aligned words; raises TargetBusError."""

    def erase_all(self) -> None:
        """Start a CTRL-AP erase: flash, UICR and RAM, after which the lock is open until the next reset."""

    def hold_reset(self, asserted: bool) -> None:
        """Hold the chip in, or let it out of, the CTRL-AP's soft reset."""


class DebugPort:
    """The registers behind the two SWD pins of one chip."""

    def __init__(self, target: DebugTarget) -> None:
        self._target = target
        self._power_on()

    def _power_on(self) -> None:
        self._power_cycles = self._target.power_cycles
        self._line_reset_needed = True
        self._select = 0
        self._control = 0
        self._sticky_error = False
        self._read_buffer = 0
        self._csw = _CSW_RESET
        self._tar = 0
        self._reset_asserted = False
        self._erase_all = 0

    def line_reset(self) -> None:
        """Fifty clocks or more with SWDIO high: the wire is in step again, DPIDR must be read next."""
        self._check_power()
        self._line_reset_needed = False

    def read_dp(self, address: int) -> int:
        """Read DP register 0x0, 0x4, 0x8 or 0xC; raises WireError."""
        self._check_line()
        if address == DP_DPIDR_ABORT:
            return DPIDR
        if address == DP_CTRL_STAT:
            return self._read_control()
        self._check_sticky()
        return self._read_buffer

    def write_dp(self, address: int, value: int) -> None:
        """Write DP register 0x0 (ABORT), 0x4 (CTRL/STAT) or 0x8 (SELECT); raises WireError."""
        self._check_line()
        if address == DP_DPIDR_ABORT:
            if value & ABORT_STKERRCLR:
                self._sticky_error = False
            return
        self._check_sticky()
        if address == DP_CTRL_STAT:
            if self._select & 0xF == 0:
                self._control = value & _CTRL_WRITABLE
        elif address == DP_SELECT_RESEND:
            self._select = value

    def read_ap(self, address: int) -> int:
        """Read the register of the AP that SELECT names; `address` is A[3:2], 0x0 to 0xC. Raises WireError."""
        port, register = self._selected(address)
        if port == CTRL_AP:
            value = self._read_ctrl_ap(register)
        elif port == AHB_AP:
            value = self._read_ahb_ap(register)
        else:
            value = 0
        self._read_buffer = value
        return value

    def write_ap(self, address: int, value: int) -> None:
        """Write the register of the AP that SELECT names; `address` is A[3:2], 0x0 to 0xC. Raises WireError."""
        port, register = self._selected(address)
        if port == CTRL_AP:
            self._write_ctrl_ap(register, value & WORD)
        elif port == AHB_AP:
            self._write_ahb_ap(register, value & WORD)

    def read_ap_block(self, address: int, count: int) -> list[int]:
        """Read the same AP register `count` times, as one run of transfers; raises WireError."""
        port, register = self._selected(address)
        if (
            port != AHB_AP
            or register != AP_DRW
            or self._csw & (CSW_SIZE | CSW_INCREMENT) != 0x12
            or self._tar & 3
        ):
            return [self.read_ap(address) for _ in range(count)]
        self._check_unlocked()
        values: list[int] = []
        while len(values) < count:
            step = self._words_to_wrap(count - len(values))
            try:
                values.extend(self._target.bus_read_block(self._tar, step))
            except TargetBusError as error:
                raise self._fault(error) from None
            self._advance_tar(4 * step)
        self._read_buffer = values[-1] if values else self._read_buffer
        return values

    def write_ap_block(self, address: int, values: Sequence[int]) -> None:
        """Write the same AP register once for each value, as one run of transfers; raises WireError."""
        port, register = self._selected(address)
        if (
            port != AHB_AP
            or register != AP_DRW
            or self._csw & (CSW_SIZE | CSW_INCREMENT) != 0x12
            or self._tar & 3
        ):
            for value in values:
                self.write_ap(address, value)
            return
        self._check_unlocked()
        done = 0
        while done < len(values):
            step = self._words_to_wrap(len(values) - done)
            try:
                self._target.bus_write_block(self._tar, [v & WORD for v in values[done : done + step]])
            except TargetBusError as error:
                raise self._fault(error) from None
            self._advance_tar(4 * step)
            done += step

    @property
    def next_address(self) -> int | None:
        """Bus address the next DRW access will use, or None when SELECT does not name the AHB-AP."""
        return self._tar if self._select >> 24 == AHB_AP else None

    # ---- Debug port ----

    def _check_power(self) -> None:
        if not self._target.powered:
            raise NoAcknowledge("no acknowledge: the target is not powered")
        if self._target.power_cycles != self._power_cycles:
            self._power_on()

    def _check_line(self) -> None:
        self._check_power()
        if self._line_reset_needed:
            raise NoAcknowledge("no acknowledge: the SWD line needs a reset after power-on")

    def _check_sticky(self) -> None:
        if self._sticky_error:
            raise FaultAcknowledge("FAULT: a sticky error is set")

    def _read_control(self) -> int:
        if self._select & 0xF:
            return 0
        # The power domains are always on: each request is acknowledged at once, one bit above it.
        acknowledges = (self._control & (CTRL_CDBGPWRUPREQ | CTRL_CSYSPWRUPREQ)) << 1
        return self._control | acknowledges | (CTRL_STICKYERR if self._sticky_error else 0)

    def _selected(self, address: int) -> tuple[int, int]:
        self._check_line()
        self._check_sticky()
        if not self._control & CTRL_CDBGPWRUPREQ:
            raise self._fault("the debug domain is not powered up")
        return self._select >> 24 & 0xFF, self._select & 0xF0 | address & 0xC

    def _fault(self, reason: object) -> FaultAcknowledge:
        self._sticky_error = True
        return FaultAcknowledge(f"FAULT: {reason}")

    # ---- AHB-AP ----

    def _check_unlocked(self) -> None:
        if self._target.locked:
            raise self._fault("access port protection is on")

    def _words_to_wrap(self, wanted: int) -> int:
        return min(wanted, (_INCREMENT_WRAP - self._tar % _INCREMENT_WRAP) // 4)

    def _advance_tar(self, length: int) -> None:
        page = self._tar & ~(_INCREMENT_WRAP - 1)
        self._tar = page | (self._tar + length) % _INCREMENT_WRAP

    def _transfers(self) -> tuple[int, int]:
        """Size in bytes of one bus transfer, and how many of them one DRW access makes."""
        size = min(1 << (self._csw & CSW_SIZE), 4)
        packed = self._csw & CSW_INCREMENT == CSW_INCREMENT_PACKED
        return size, 4 // size if packed else 1

    def _read_ahb_ap(self, register: int) -> int:
        if register == AP_CSW:
            return self._csw | (0 if self._target.locked else CSW_DEVICE_ENABLED)
        if register == AP_TAR:
            return self._tar
        if register == AP_IDR:
            return AHB_AP_IDR
        if register == AP_BASE:
            return ROM_TABLE_BASE
        if register == AP_DRW:
            return self._read_drw()
        if AP_BD0 <= register <= AP_BD0 + 0xC:
            self._check_unlocked()
            return self._bus_read(self._tar & ~0xF | register & 0xC, 4)
        return 0

    def _write_ahb_ap(self, register: int, value: int) -> None:
        if register == AP_CSW:
            # Only 8, 16 and 32 bit transfers exist: any other size leaves the field as it was.
            size = value & CSW_SIZE if value & CSW_SIZE <= 2 else self._csw & CSW_SIZE
            self._csw = value & _CSW_WRITABLE & ~CSW_SIZE | size
        elif register == AP_TAR:
            self._tar = value
        elif register == AP_DRW:
            self._write_drw(value)
        elif AP_BD0 <= register <= AP_BD0 + 0xC:
            self._check_unlocked()
            self._bus_write(self._tar & ~0xF | register & 0xC, 4, value)

    def _read_drw(self) -> int:
        self._check_unlocked()
        size, count = self._transfers()
        value = 0
        for _ in range(count):
            lane = 8 * (self._tar & 3 & ~(size - 1))
            value |= self._bus_read(self._tar, size) << lane
            if self._csw & CSW_INCREMENT:
                self._advance_tar(size)
        return value & WORD

    def _write_drw(self, value: int) -> None:
        self._check_unlocked()
        size, count = self._transfers()
        for _ in range(count):
            lane = 8 * (self._tar & 3 & ~(size - 1))
            self._bus_write(self._tar, size, value >> lane & (1 << 8 * size) - 1)
            if self._csw & CSW_INCREMENT:
                self._advance_tar(size)

    def _bus_read(self, address: int, size: int) -> int:
        try:
            return self._target.bus_read(address & ~(size - 1), size)
        except TargetBusError as error:
            raise self._fault(error) from None

    def _bus_write(self, address: int, size: int, value: int) -> None:
        try:
            self._target.bus_write(address & ~(size - 1), size, value)
        except TargetBusError as error:
            raise self._fault(error) from None

    # ---- CTRL-AP ----

    def _read_ctrl_ap(self, register: int) -> int:
        if register == CTRL_AP_RESET:
            return int(self._reset_asserted)
        if register == CTRL_AP_ERASEALL:
            return self._erase_all
        if register == CTRL_AP_ERASEALLSTATUS:
            return int(self._target.erasing)
        if register == CTRL_AP_APPROTECTSTATUS:
            return int(not self._target.locked)
        if register == AP_IDR:
            return CTRL_AP_IDR
        return 0

    def _write_ctrl_ap(self, register: int, value: int) -> None:
        if register == CTRL_AP_RESET:
            asserted = bool(value & 1)
            if asserted != self._reset_asserted:
                self._reset_asserted = asserted
                self._target.hold_reset(asserted)
        elif register == CTRL_AP_ERASEALL:
            if value & 1 and not self._erase_all:
                self._target.erase_all()
            self._erase_all = value & 1
