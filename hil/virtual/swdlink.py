"""The SWD wire and the probe on it, in time: how long each transfer, round trip and poll takes.

A transfer is 48 clocks on the wire (8 request, 3 acknowledge, 33 data with parity, 2 turn-around, 2 idle). A probe
on USB gathers transfers and sends them together; when the host needs a result it waits for a round trip of
`ROUND_TRIP` (250 us, two frames of USB 2.0 high speed: the order of CMSIS-DAP v2 and J-Link probes). So posted
writes cost wire time only, and each result that the host waits for costs a round trip more.

Waiting for the core to halt is polling DHCSR. The probe's host polls at whatever pace it likes; here the first
poll takes one round trip and each following one twice as long, up to `POLL_LIMIT`, but ends at the very
instruction where the core halts. That keeps a page erase of 85 ms at some 15 polls without delaying anyone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from hil.virtual import debugport as dp
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, TICKS_PER_US, Kernel

ROUND_TRIP = 250 * TICKS_PER_US
CLOCKS_PER_TRANSFER = 48
POLL_LIMIT = 10 * TICKS_PER_MS
OWED_LIMIT = TICKS_PER_MS
"""How much wire time may be due while the core is halted before it passes."""
ERASE_POLL = TICKS_PER_SECOND
MIN_CLOCK, MAX_CLOCK = 1_000.0, 8_000_000.0
"""The nRF52840 takes SWDCLK up to 8 MHz (Product Specification, Debug and trace, electrical specification)."""
DHCSR = 0xE000_EDF0


class Chip(dp.DebugTarget, Protocol):
    """A debug target that tells whether its core runs, and its reset pin."""

    @property
    def running(self) -> bool:
        """The core executes or sleeps, so that waiting for it to halt makes sense."""

    def drive_reset_pin(self, asserted: bool) -> None:
        """Pull nRESET low, or let it go."""


class Clock(Protocol):
    """What moves time while the wire is busy: the kernel, or what paces it."""

    @property
    def now(self) -> int:
        """The current tick."""

    def advance(self, until: int, wake: Callable[[], bool] | None = None) -> None:
        """Move time to tick `until`, or less far once `wake()` is true."""


class SwdLink:
    """One probe wired to one chip; safe from several threads.

    Methods move the kernel and raise `debugport.WireError`.
    """

    def __init__(self, kernel: Kernel, target: Chip) -> None:
        self.kernel: Clock = kernel
        self.target = target
        self.lock = threading.RLock()
        self.reset_asserted = False
        self.transfers = 0
        """Transfers since the link was made, for measurements."""
        self.round_trips = 0
        self._port = dp.DebugPort(target)
        self._select: int | None = None
        self._unanswered = False
        self._polls = 0
        self._owed = 0
        self.set_clock(1_000_000.0)

    def set_clock(self, hertz: float) -> None:
        """Set SWDCLK; values outside 1 kHz to 8 MHz are brought inside, as a probe does."""
        hertz = min(max(hertz, MIN_CLOCK), MAX_CLOCK)
        self._ticks_per_transfer = max(1, round(CLOCKS_PER_TRANSFER * TICKS_PER_SECOND / hertz))

    def line_reset(self) -> None:
        """Fifty clocks with SWDIO high."""
        with self.lock:
            self._select = None
            self._spend(2)
            self._port.line_reset()

    def drive_reset_pin(self, asserted: bool) -> None:
        """Pull nRESET low, or let it go."""
        with self.lock:
            if asserted != self.reset_asserted:
                self.reset_asserted = asserted
                self.target.drive_reset_pin(asserted)
            self._advance(ROUND_TRIP)

    def read_dp(self, address: int) -> int:
        """Read a DP register of bank 0."""
        with self.lock:
            if address & 0xF == dp.DP_CTRL_STAT:
                self._write_select((self._select or 0) & ~0xF)
            self._spend(1)
            return self._port.read_dp(address & 0xF)

    def write_dp(self, address: int, value: int) -> None:
        """Write a DP register; a write of SELECT is remembered."""
        with self.lock:
            self._spend(1)
            self._port.write_dp(address & 0xF, value)
            if address & 0xF == dp.DP_SELECT_RESEND:
                self._select = value

    def read_ap(self, address: int) -> int:
        """Read an AP register; the address holds the AP's number in its top byte."""
        with self.lock:
            self._select_ap(address)
            self._wait_out_polls(address)
            self._spend(1)
            return self._port.read_ap(address & 0xC)

    def write_ap(self, address: int, value: int) -> None:
        """Write an AP register."""
        with self.lock:
            self._select_ap(address)
            if address & 0xFC == dp.AP_DRW:
                self._polls = 0
            self._spend(1)
            self._port.write_ap(address & 0xC, value)

    def read_ap_block(self, address: int, count: int) -> list[int]:
        """Read one AP register `count` times."""
        with self.lock:
            self._select_ap(address)
            self._polls = 0
            self._spend(count)
            return self._port.read_ap_block(address & 0xC, count)

    def write_ap_block(self, address: int, values: Sequence[int]) -> None:
        """Write one AP register with each value."""
        with self.lock:
            self._select_ap(address)
            self._polls = 0
            self._spend(len(values))
            self._port.write_ap_block(address & 0xC, values)

    def wait_for_answer(self) -> None:
        """The host waits for what it asked since the last answer: one round trip, if anything is open."""
        with self.lock:
            if self._unanswered:
                self._unanswered = False
                self.round_trips += 1
                self._advance(ROUND_TRIP)

    # ---- Time ----

    def _spend(self, transfers: int) -> None:
        self.transfers += transfers
        self._unanswered = True
        self._owed += transfers * self._ticks_per_transfer
        # A halted core sees no difference: its time is paid in one piece with the next answer.
        if self._owed >= OWED_LIMIT or self.target.running:
            self._advance(0)

    def _advance(self, ticks: int, wake: Callable[[], bool] | None = None) -> None:
        ticks, self._owed = ticks + self._owed, 0
        self.kernel.advance(self.kernel.now + ticks, wake)

    def _stopped(self) -> bool:
        return not self.target.running

    def _erased(self) -> bool:
        return not self.target.erasing

    def _wait_out_polls(self, address: int) -> None:
        """Give a host that asks the same again the time it would have spent asking."""
        port, register = address >> 24, address & 0xFC
        if port == dp.CTRL_AP and register == dp.CTRL_AP_ERASEALLSTATUS:
            self._advance(ERASE_POLL, self._erased)
        elif port == dp.AHB_AP and register == dp.AP_DRW:
            if self._port.next_address != DHCSR or self._stopped():
                self._polls = 0
                return
            if self._polls:
                self._advance(min(ROUND_TRIP << self._polls, POLL_LIMIT), self._stopped)
            self._polls = min(self._polls + 1, 16)

    # ---- SELECT ----

    def _select_ap(self, address: int) -> None:
        bank = (self._select or 0) & 0xF
        self._write_select(address & 0xFF00_00F0 | bank)

    def _write_select(self, value: int) -> None:
        if value != self._select:
            self.write_dp(dp.DP_SELECT_RESEND, value)
