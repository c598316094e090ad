"""QSPI: external serial flash by EasyDMA and by custom instructions (nRF52840 Product Specification, QSPI).

READY answers every task, and a store to CINSTRCONF. READSTART and WRITESTART move whole words between RAM and the
memory, ERASESTART begins an erase; before each the peripheral waits until the memory is done with what it did
before (WIP). READY says that the last command was sent: what the memory then still does shows in its status.

The memory is on the pins of the nRF52840 DK; with other pins in PSEL nobody answers, and all reads give zeros.

Assumed, no source found: the time of ACTIVATE; MODE and the other fields of ADDRCONF are stored only; ERASE.LEN 2
erases all. The XIP window is in xip.py.
"""

from __future__ import annotations

from functools import partial

from hil.virtual.kernel import TICKS_PER_SECOND, TICKS_PER_US, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.mx25r64 import Mx25r64
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

PIN = 0x8000_003F
DISCONNECTED = 0x8000_0000
"""PSEL.CONNECT."""
DK_PINS = (19, 17, 20, 21)
"""SCK, CSN, IO0, IO1 of the DK: P0.19, P0.17, P0.20, P0.21."""
DK_QUAD_PINS = (22, 23)
"""IO2, IO3: P0.22, P0.23."""
ACTIVATION = 2 * TICKS_PER_US
BASE_CLOCK = 32_000_000
LFEN, LFSTOP, WREN, WIPWAIT = 1 << 16, 1 << 17, 1 << 15, 1 << 14
DPMENABLE, DPMEN = 1 << 7, 1 << 24
READ_OPCODES = {
    0: (0x0B, 1, 1, 1),
    1: (0x3B, 1, 2, 1),
    2: (0xBB, 2, 2, 1),
    3: (0x6B, 1, 4, 1),
    4: (0xEB, 4, 4, 3),
}
"""By READOC: opcode, lines of the address, lines of the data, bytes between them (on the address lines)."""
WRITE_OPCODES = {0: (0x02, 1, 1), 1: (0xA2, 1, 2), 2: (0x32, 1, 4), 3: (0x38, 4, 4)}
"""By WRITEOC: opcode, lines of the address, lines of the data."""
ERASE_OPCODES = (0x20, 0xD8, 0xC7)
"""By ERASE.LEN: 4 KiB, 64 KiB, all."""
ENTER_DEEP_POWER_DOWN, LEAVE_DEEP_POWER_DOWN = 0xB9, 0xAB


class Qspi(Peripheral):
    STATE = ("_active", "_event", "_frame", "_write_done", "_sleeping", "_leaves_at")

    def __init__(
        self, memory: Mx25r64, dma: EasyDma, kernel: Kernel, bus: Bus, lines: InterruptLines
    ) -> None:
        super().__init__("QSPI", 0x4002_9000, 41, kernel, bus, lines)
        self.memory = memory
        self._dma = dma
        self._active = False
        self._event: Event | None = None
        self._frame: bytes | None = None
        """What was sent so far in long frame mode; None outside of one."""
        self._write_done = 0
        """Bytes of WRITE.CNT that were sent."""
        self._sleeping = False
        """Deep power-down by IFCONFIG1.DPMEN."""
        self._leaves_at = 0
        self.task(0x000, self._activate)
        self.task(0x004, self._start, self._read)
        self.task(0x008, self._start, self._begin_write)
        self.task(0x00C, self._start, self._erase)
        self.task(0x010, self._deactivate)
        self.READY = self.event(0x100)
        self.interrupts(inten=True)
        self.register(0x054)  # not in the specification; Nordic's driver writes it for anomaly 122
        self.ENABLE = self.register(0x500, mask=1, write=self._write_enable)
        self.READ_SRC = self.register(0x504)
        self.READ_DST = self.register(0x508)
        self.READ_CNT = self.register(0x50C, mask=0x3FFFF)
        self.WRITE_DST = self.register(0x510)
        self.WRITE_SRC = self.register(0x514)
        self.WRITE_CNT = self.register(0x518, mask=0x3FFFF)
        self.ERASE_PTR = self.register(0x51C)
        self.ERASE_LEN = self.register(0x520, mask=3)
        self.PSEL = [
            self.register(offset, reset=0xFFFF_FFFF, mask=PIN)
            for offset in (0x524, 0x528, 0x530, 0x534, 0x538, 0x53C)
        ]
        self.XIPOFFSET = self.register(0x540)
        self.IFCONFIG0 = self.register(0x544, mask=0x10FF)
        self.IFCONFIG1 = self.register(0x600, reset=0x0004_0480, write=self._configure)
        self.STATUS = self.register(0x604, read=self._status, read_only=True)
        self.DPMDUR = self.register(0x614, reset=0xFFFF_FFFF)
        self.ADDRCONF = self.register(0x624, reset=0xB7, mask=0x0FFF_FFFF)
        self.CINSTRCONF = self.register(0x634, reset=0x2000, write=self._instruct)
        self.CINSTRDAT = [self.register(0x638), self.register(0x63C)]
        self.IFTIMING = self.register(0x640, reset=0x200, mask=0x700)

    def on_reset(self, cause: ResetCause) -> None:
        self._halt()

    @property
    def connected(self) -> bool:
        """The pins lead to the memory."""
        return tuple(self.values[pin] for pin in self.PSEL[:4]) == DK_PINS

    def read_in_place(self, offset: int, size: int) -> bytes | None:
        """Bytes of the memory as the XIP window shows them; None while the peripheral is not active."""
        if not self._active:
            return None
        opcode = READ_OPCODES.get(self.values[self.IFCONFIG0] & 7, READ_OPCODES[0])[0]
        if not self.connected:
            return bytes(size)
        return self.memory.fast_read(opcode, offset + self.values[self.XIPOFFSET], size)

    def _halt(self) -> None:
        self.kernel.cancel(self._event)
        self._event = self._frame = None
        self._active = self._sleeping = False

    def _write_enable(self, value: int) -> None:
        self.values[self.ENABLE] = value & 1
        if not value & 1:
            self._halt()

    @property
    def _byte_ticks(self) -> int:
        """Eight bits on one line: SCK is 32 MHz / (SCKFREQ + 1)."""
        return 8 * TICKS_PER_SECOND * ((self.values[self.IFCONFIG1] >> 28) + 1) // BASE_CLOCK

    def _wait_for_memory(self) -> int:
        """Ticks until the memory is done with what it does."""
        return max(self.memory.busy_for if self.connected else 0, self._leaves_at - self.kernel.now, 0)

    # -- tasks ------------------------------------------------------------------------------------------

    def _activate(self) -> None:
        # READY comes without ENABLE too: an RTOS driver waits for it so, with the pins disconnected, to have the
        # peripheral take up its pins (found in a boot loader that ran on boards; the specification is silent).
        self.kernel.cancel(self._event)
        self._active = bool(self.values[self.ENABLE])
        if self._active:
            self._tell_of_pins()
        wait = self._wait_for_memory() if self._active else 0
        self._event = self.kernel.after(ACTIVATION + wait, self._ready)

    def _tell_of_pins(self) -> None:
        """Firmware of another board would only find that its memory answers nothing."""
        pins = [self.values[pin] for pin in self.PSEL[:4]]
        if self.connected or any(pin & DISCONNECTED for pin in pins):
            return
        used = [f"P{pin >> 5 & 1}.{pin & 31:02d}" for pin in pins]
        names = ", ".join(
            f"{name} {pin}" for name, pin in zip(("SCK", "CSN", "IO0", "IO1"), used, strict=True)
        )
        memory = ", ".join(f"P0.{pin:02d}" for pin in DK_PINS)
        self.bus.note(self.base, "pins", f"QSPI on {names} reaches no memory (the DK's is on {memory})")

    def _deactivate(self) -> None:
        self._halt()

    def _start(self, operation: partial[None]) -> None:
        if self._active and self._event is None:
            self._event = self.kernel.after(self._wait_for_memory(), operation)

    def _ready(self) -> None:
        self._event = None
        self.fire(self.READY)

    def _read(self) -> None:
        opcode, address_lines, data_lines, between = READ_OPCODES.get(
            self.values[self.IFCONFIG0] & 7, READ_OPCODES[0]
        )
        count = self.values[self.READ_CNT] & ~3
        if self.connected:
            data = self.memory.fast_read(opcode, self.values[self.READ_SRC], count)
            if data_lines == 4 and not self._quad_connected:
                data = bytes(count)
        else:
            data = bytes(count)
        self._dma.write(self.values[self.READ_DST], data, self.name)
        ticks = self._byte_ticks
        duration = ticks + (3 + between) * ticks // address_lines + count * ticks // data_lines
        self._event = self.kernel.after(duration, self._ready)

    @property
    def _quad_connected(self) -> bool:
        return tuple(self.values[pin] for pin in self.PSEL[4:]) == DK_QUAD_PINS

    def _begin_write(self) -> None:
        self._write_done = 0
        self._write_page()

    def _write_page(self) -> None:
        """Write enable and one page program; on to the next page once the memory is done with it."""
        self._event = None
        left = (self.values[self.WRITE_CNT] & ~3) - self._write_done
        if left <= 0:
            self._ready()
            return
        opcode, address_lines, data_lines = WRITE_OPCODES.get(
            self.values[self.IFCONFIG0] >> 3 & 7, WRITE_OPCODES[0]
        )
        size = 512 if self.values[self.IFCONFIG0] >> 12 & 1 else 256
        address = self.values[self.WRITE_DST] + self._write_done
        count = min(left, size - address % size)
        data = self._dma.read(self.values[self.WRITE_SRC] + self._write_done, count, self.name)
        self._write_done += count
        ticks = self._byte_ticks
        duration = 2 * ticks + 3 * ticks // address_lines + count * ticks // data_lines
        self._event = self.kernel.after(duration, self._page_sent, opcode, address, data)

    def _page_sent(self, opcode: int, address: int, data: bytes) -> None:
        self._event = None
        if self.connected and (opcode != 0x38 or self._quad_connected):
            self.memory.exchange(b"\x06")
            self.memory.program(opcode, address, data)
        if self._write_done >= self.values[self.WRITE_CNT] & ~3:
            self._ready()
        else:
            self._event = self.kernel.after(self._wait_for_memory(), self._write_page)

    def _erase(self) -> None:
        opcode = ERASE_OPCODES[min(self.values[self.ERASE_LEN], 2)]
        if self.connected:
            self.memory.exchange(b"\x06")
            address = self.values[self.ERASE_PTR] & 0xFF_FFFF
            self.memory.exchange(bytes([opcode]) + (b"" if opcode == 0xC7 else address.to_bytes(3, "big")))
        self._event = self.kernel.after(5 * self._byte_ticks, self._ready)

    # -- deep power-down, status ------------------------------------------------------------------------

    def _configure(self, value: int) -> None:
        """IFCONFIG1; DPMEN sends the memory to deep power-down and back, in the times of DPMDUR."""
        self.values[self.IFCONFIG1] = value
        wanted = bool(value & DPMEN) and bool(self.values[self.IFCONFIG0] & DPMENABLE)
        if wanted == self._sleeping or not self._active:
            return
        self._sleeping = wanted
        opcode = ENTER_DEEP_POWER_DOWN if wanted else LEAVE_DEEP_POWER_DOWN
        if self.connected:
            self.memory.exchange(bytes([opcode]))
        units = self.values[self.DPMDUR] >> (0 if wanted else 16) & 0xFFFF
        # DPMDUR counts in units of 256 periods of 16 MHz.
        self._leaves_at = self.kernel.now + units * 256 * (TICKS_PER_US // 16)

    def _status(self) -> int:
        ready = self._active and self._event is None
        register = self.memory.status if self.connected else 0
        return (4 if self._sleeping else 0) | (8 if ready else 0) | register << 24

    # -- custom instructions ----------------------------------------------------------------------------

    def _instruct(self, value: int) -> None:
        self.values[self.CINSTRCONF] = value & 0x3_FFFF
        if not self._active or self._event is not None:
            return
        length = max(1, min(9, value >> 8 & 0xF))
        wait = self._wait_for_memory() if value & WIPWAIT else 0
        self._event = self.kernel.after(wait + length * self._byte_ticks, self._instructed, value, length)

    def _instructed(self, value: int, length: int) -> None:
        raw = b"".join(self.values[offset].to_bytes(4, "little") for offset in self.CINSTRDAT)
        data = raw[: length - 1]
        first = self._frame is None
        begun = self._frame if self._frame is not None else bytes([value & 0xFF])
        out = begun + data
        answer = bytes(len(data))
        if self.connected:
            if value & WREN and first:
                self.memory.exchange(b"\x06")
            answer = self.memory.answer(out)[len(begun) - 1 :]
        goes_on = bool(value & LFEN) and not value & LFSTOP
        self._frame = out if goes_on else None
        if self.connected and not goes_on:
            self.memory.finish(out)
        received = answer + raw[len(answer) :]
        for index, offset in enumerate(self.CINSTRDAT):
            self.values[offset] = int.from_bytes(received[4 * index : 4 * index + 4], "little")
        self._ready()
