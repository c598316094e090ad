"""MX25R6435F: the 8 MiB serial flash on the nRF52840 DK (Macronix MX25R6435F data sheet, Command set).

It takes whole transactions: what goes in while CS# is low, and what comes out. Programming and erasing go on by
themselves afterwards, shown by WIP in the status register. Content outlives every reset and loss of power. In deep
power-down a falling CS# wakes it up; the command of that transaction is lost.

The identification and the basic flash parameter table (JESD216) are those in the devicetree of Zephyr's board.
Assumed, no source found: the times of programming and erasing; a loss of power leaves an operation done; a quad
read without QE gives zeros. Block protection (BP bits), security registers, suspend and resume are not modelled.
"""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US, Kernel

SIZE = 8 << 20
SECTOR = 4096
PAGE = 256
IDENTIFICATION = bytes.fromhex("c22817")
SIGNATURE = 0x17
WIP, WEL, QE, SRWD = 0x01, 0x02, 0x40, 0x80
WRITABLE_STATUS = 0xFC
PARAMETERS = bytes.fromhex(
    "e520f1ffffffff0344eb086b083b04bbeeffffffffff00ffffff00ff0c200f52"
    "10d800ff2372f500 82ed04cc44836844 30b030b0f7c4d55c 00be29fff0d0ffff"
)
DISCOVERABLE = bytes.fromhex("53464450060100ff00060110300000ff").ljust(0x30, b"\xff") + PARAMETERS
"""Serial flash discoverable parameters: head, one parameter header, the basic table at 0x30."""
PAGE_PROGRAM = 850 * TICKS_PER_US
STATUS_WRITE = 5 * TICKS_PER_MS
ERASES = {
    0x20: (SECTOR, 40),
    0x52: (32 << 10, 150),
    0xD8: (64 << 10, 280),
    0x60: (SIZE, 25_000),
    0xC7: (SIZE, 25_000),
}
"""Opcode: bytes and milliseconds."""
READ_STATUS = 0x05
WAKE_UP = 35 * TICKS_PER_US
READS = {0x03: 0, 0x0B: 1, 0x3B: 1, 0x6B: 1, 0xBB: 1, 0xEB: 3, 0x5A: 1}
"""Opcode: bytes between address and data, in the time of a byte on one line each."""
QUAD = (0x6B, 0xEB, 0x38)
PROGRAMS = (0x02, 0x38)


class Mx25r64:
    """Content is kept by sector; a sector that is not there reads erased."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._sectors: dict[int, bytes] = {}
        self._status = 0
        self._configuration = bytes(2)
        self._write_enabled = False
        self._busy_until = 0
        self._reset_enabled = False
        self._asleep = False
        self._awake_from = 0

    @property
    def status(self) -> int:
        """The status register."""
        return self._status | (WIP if self.busy_for else 0) | (WEL if self._write_enabled else 0)

    @property
    def busy_for(self) -> int:
        """Ticks until the operation under way ends."""
        return max(0, self._busy_until - self._kernel.now)

    @property
    def asleep(self) -> bool:
        """In deep power-down."""
        return self._asleep

    def exchange(self, out: bytes) -> bytes:
        """One transaction: CS# falls, ``out`` is sent, CS# rises. Returns what came in behind the opcode."""
        answer = self.answer(out)
        self.finish(out)
        return answer

    def answer(self, out: bytes) -> bytes:
        """What comes in, a byte for each behind the opcode, while ``out`` is sent; changes nothing."""
        count = len(out) - 1
        if count <= 0:
            return b""
        if self._deaf or (self.busy_for and out[0] != READ_STATUS):
            return b"\xff" * count
        opcode, arguments = out[0], out[1:]
        if opcode in READS:
            head = 3 + READS[opcode]
            if opcode == 0x5A:
                address = int.from_bytes(arguments[:3], "big")
                data = DISCOVERABLE[address : address + count].ljust(count, b"\xff")
            else:
                data = self.fast_read(opcode, int.from_bytes(arguments[:3], "big"), max(0, count - head))
            return (b"\xff" * head + data)[:count]
        if opcode == READ_STATUS:
            return bytes([self.status]) * count
        fixed = {
            0x9F: IDENTIFICATION,
            0x15: self._configuration,
            0x2B: b"\0",
            0xAB: b"\xff" * 3 + bytes([SIGNATURE]) * count,
            0x90: b"\xff" * 3 + bytes([IDENTIFICATION[0], SIGNATURE]) * count,
        }.get(opcode, b"\xff")
        return (fixed * (count // len(fixed) + 1))[:count]

    def finish(self, out: bytes) -> None:
        """CS# rises behind ``out``: now a command that changes something is carried out."""
        if self._asleep:
            self._asleep = False
            self._awake_from = self._kernel.now + WAKE_UP
            return
        if not out or self._deaf or self.busy_for:
            return
        opcode, rest = out[0], out[1:]
        armed, self._reset_enabled = self._reset_enabled, opcode == 0x66
        if opcode == 0x99 and armed:
            self.software_reset()
        elif opcode in PROGRAMS and len(rest) > 3:
            self.program(opcode, int.from_bytes(rest[:3], "big"), rest[3:])
        elif opcode in ERASES and (len(rest) >= 3 or ERASES[opcode][0] == SIZE):
            self._erase(opcode, int.from_bytes(rest[:3], "big"))
        elif opcode in (0x06, 0x04):
            self._write_enabled = opcode == 0x06
        elif opcode == 0x01:
            self._write_status(rest)
        elif opcode == 0xB9:
            self._asleep = True

    @property
    def _deaf(self) -> bool:
        return self._asleep or self._kernel.now < self._awake_from

    def fast_read(self, opcode: int, address: int, count: int) -> bytes:
        """The data phase of a read command."""
        if self._deaf or self.busy_for:
            return b"\xff" * count
        if opcode in QUAD and not self._status & QE:
            return bytes(count)
        return self.read(address, count)

    def read(self, address: int, count: int) -> bytes:
        """Content; it goes on at the start behind the end."""
        data = bytearray()
        while len(data) < count:
            index, offset = divmod((address + len(data)) % SIZE, SECTOR)
            part = self._sectors.get(index, b"\xff" * SECTOR)[offset : offset + count - len(data)]
            data += part
        return bytes(data)

    def software_reset(self) -> None:
        """RSTEN and RST: volatile state goes."""
        self._write_enabled = self._reset_enabled = False

    def power_lost(self) -> None:
        """VCC has gone: what is not content starts afresh."""
        self.software_reset()
        self._asleep = False
        self._busy_until = self._awake_from = 0

    def save(self) -> object:
        return (
            dict(self._sectors),
            (self._status, self._configuration, self._write_enabled, self._busy_until),
            (self._reset_enabled, self._asleep, self._awake_from),
        )

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        sectors, registers, rest = state
        self._sectors = dict(sectors)
        self._status, self._configuration, self._write_enabled, self._busy_until = registers
        self._reset_enabled, self._asleep, self._awake_from = rest

    def program(self, opcode: int, address: int, data: bytes) -> None:
        """A page program command; it wraps within the page of 256 bytes."""
        wired = opcode in PROGRAMS and (opcode not in QUAD or self._status & QE)
        if not wired or self._deaf or self.busy_for or not self._write_enabled:
            return
        page = address % SIZE // PAGE * PAGE
        content = bytearray(self.read(page, PAGE))
        for offset, byte in enumerate(data):
            content[(address + offset) % PAGE] &= byte
        index, offset = divmod(page, SECTOR)
        sector = bytearray(self._sectors.get(index, b"\xff" * SECTOR))
        sector[offset : offset + PAGE] = content
        self._sectors[index] = bytes(sector)
        self._work(PAGE_PROGRAM)

    def _erase(self, opcode: int, address: int) -> None:
        size, milliseconds = ERASES[opcode]
        if not self._write_enabled:
            return
        first = address % SIZE // size * size // SECTOR
        for index in [index for index in self._sectors if first <= index < first + size // SECTOR]:
            del self._sectors[index]
        self._work(milliseconds * TICKS_PER_MS)

    def _write_status(self, rest: bytes) -> None:
        if self._write_enabled and rest:
            self._status = rest[0] & WRITABLE_STATUS
            self._configuration = (rest[1:3] + self._configuration[len(rest[1:3]) :])[:2]
            self._work(STATUS_WRITE)

    def _work(self, duration: int) -> None:
        self._write_enabled = False
        self._busy_until = self._kernel.now + duration
