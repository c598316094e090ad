"""What a debug probe can do for a test: program, look and change, stop and start, erase, get into a locked
chip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

Progress = Callable[[float], None]
"""Told the fraction done, 0.0 to 1.0, now and then."""

ResetType = Literal["default", "system", "core", "pin", "debug"]
"""How a chip is reset: as the driver does unless told; by AIRCR.SYSRESETREQ; by AIRCR.VECTRESET, the core
alone (Armv7-M Architecture Reference Manual, B3.2.6); by the reset pin; by the debug access port (nRF52840
PS, CTRL-AP).
"""


class Rtt(Protocol):
    """SEGGER RTT: ring buffers in the device's RAM that a debug probe reads and writes while the device runs.

    Every method raises BenchError when the probe fails.
    """

    def read(self, channel: int) -> bytes:
        """Take what the device has put into its up buffer `channel`; b"" while it has no control block.

        Raises DeviceError when the control block makes no sense: an offset or a buffer outside of the RAM.
        """

    def write(self, channel: int, data: bytes) -> int:
        """Put bytes into the device's down buffer `channel`, as many as fit; returns how many. Raises
        DeviceError as `read` does.
        """


@runtime_checkable
class Probe(Protocol):
    """A probe on the debug pins of one device. Addresses and sizes in bytes.

    Every method raises BenchError, in one line that names the probe, when the probe or the wire fails, and
    InputError for arguments that make no sense. A core that is running keeps running, and a halted one stays
    halted, unless a method says otherwise.
    """

    def open(self) -> None:
        """Connect; without `auto_unlock` a locked chip is left alone, and only `recover` works on it."""

    def close(self) -> None:
        """Let the device run free and let go of the probe. A second call does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def identity(self) -> str:
        """The probe's maker, model and serial number."""

    def locked(self) -> bool:
        """Whether access port protection keeps the debugger out."""

    def program(
        self,
        image: Path | bytes,
        address: int | None = None,
        *,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> int:
        """Erase the pages an image touches and write it; returns the bytes written. Leaves the core halted.

        `image` is a HEX file, or a raw file or bytes for `address`. The rest of a page that is only partly
        written keeps its content. Raises BenchError when the read-back differs.
        """

    def verify(self, image: Path | bytes, address: int | None = None) -> int:
        """Compare an image, as for `program`, with what is in the flash; returns the bytes compared.

        Raises BenchError with the first address that differs.
        """

    def read(self, address: int, length: int) -> bytes:
        """Read memory byte by byte addressed, in the widest accesses that fit."""

    def write(self, address: int, data: bytes) -> None:
        """Write RAM or registers; flash is programmed by `program`."""

    def read_words(self, address: int, count: int) -> list[int]:
        """Read 32-bit words from an aligned address."""

    def write_words(self, address: int, values: Sequence[int]) -> None:
        """Write 32-bit words to an aligned address."""

    def erase(self, address: int, length: int) -> None:
        """Erase whole flash pages; InputError when the range is not whole pages. Leaves the core halted."""

    def erase_chip(self) -> None:
        """Erase all of the flash and UICR. Leaves the core halted.

        A driver that cannot stop the core before a bootloader protects its flash erases as `recover` does, RAM
        included.
        """

    def recover(self) -> None:
        """Unlock the chip by erasing ALL of it, RAM and UICR too, through the access port that is always open."""

    def reset(self, *, halt: bool = False, kind: ResetType | None = None) -> None:
        """Reset the chip and let it run, or stop it before its first instruction.

        `kind` is the rig file's `reset_type` unless given. Raises InputError for a kind that the driver has
        not.
        """

    def halt(self) -> None:
        """Stop the core."""

    def run(self) -> None:
        """Let the core run."""

    def is_running(self) -> bool:
        """Whether the core executes or sleeps, rather than being halted or locked up."""

    def registers(self) -> dict[str, int]:
        """r0 to r12, sp, lr, pc and xpsr of a halted core; BenchError when it runs."""

    def rtt(self, start: int, size: int, block: int | None = None) -> Rtt:
        """RTT through a control block that lies in `size` bytes of RAM from `start`, or at the address `block`.
        Raises BenchError when the driver has none.
        """
