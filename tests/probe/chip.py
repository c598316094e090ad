"""An nRF52 as Nordic's two tools show it: memories, a core that runs or not, APPROTECT. It executes nothing.

What each call does to it is from the tools' documents; that is what the two drivers are held to without
hardware.
"""

from __future__ import annotations

import json
from pathlib import Path

FLASH, RAM, RAM_SIZE, UICR, PAGE = 0x10_0000, 0x2000_0000, 0x4_0000, 0x1000_1000, 0x1000
DHCSR = 0xE000_EDF0


class Chip:
    """Memories by their first address; `running` and `locked` are the state of core and port."""

    def __init__(self) -> None:
        self.memories = {
            0: bytearray(b"\xff" * FLASH),
            RAM: bytearray(RAM_SIZE),
            UICR: bytearray(b"\xff" * PAGE),
            0x1000_0000: bytearray(b"\xff" * PAGE),
            0xE000_E000: bytearray(PAGE),
        }
        self.memories[0x1000_0000][0x100:0x104] = (0x52840).to_bytes(4, "little")
        self.running = True
        self.locked = False
        self.registers = dict.fromkeys(range(17), 0)

    def _find(self, address: int, length: int) -> tuple[bytearray, int]:
        for base, content in self.memories.items():
            if base <= address and address + length <= base + len(content):
                return content, address - base
        raise ValueError(f"nothing at 0x{address:08x}")

    def read(self, address: int, length: int) -> bytes:
        halted = (not self.running) << 17
        self.memories[0xE000_E000][DHCSR - 0xE000_E000 : DHCSR - 0xE000_E000 + 4] = halted.to_bytes(
            4, "little"
        )
        content, at = self._find(address, length)
        return bytes(content[at : at + length])

    def write(self, address: int, data: bytes, *, controlled: bool) -> None:
        """`controlled`: by the flash controller, which only takes bits from 1 to 0; else flash is not written."""
        content, at = self._find(address, len(data))
        if content is self.memories[0] or content is self.memories[UICR]:
            if not controlled:
                raise ValueError(f"0x{address:08x} is flash, and the controller was not used")
            data = bytes(old & new for old, new in zip(content[at : at + len(data)], data, strict=True))
        content[at : at + len(data)] = data

    def erase(self, address: int) -> None:
        page = address // PAGE * PAGE
        self.memories[0][page : page + PAGE] = b"\xff" * PAGE

    def erase_all(self) -> None:
        self.memories[0][:] = b"\xff" * FLASH
        self.memories[UICR][:] = b"\xff" * PAGE

    def recover(self) -> None:
        self.erase_all()
        self.memories[RAM][:] = bytes(RAM_SIZE)
        self.locked = False

    def reset(self, *, running: bool) -> None:
        stack, start = (int.from_bytes(self.memories[0][at : at + 4], "little") for at in (0, 4))
        self.registers = dict.fromkeys(range(17), 0) | {13: stack, 14: 0xFFFF_FFFF, 15: start & ~1}
        self.running = running

    def save(self, folder: Path) -> None:
        """For a program that is started anew for each command."""
        for base, content in self.memories.items():
            (folder / f"{base:08x}").write_bytes(content)
        (folder / "state.json").write_text(json.dumps({"running": self.running, "locked": self.locked}))

    @classmethod
    def load(cls, folder: Path) -> Chip:
        chip = cls()
        for base in chip.memories:
            chip.memories[base][:] = (folder / f"{base:08x}").read_bytes()
        state = json.loads((folder / "state.json").read_text())
        chip.running, chip.locked = state["running"], state["locked"]
        return chip
