"""Says why firmware fails: registers and a backtrace at each fault exception and at lockup.

It sits behind the chip, as a debugger with vector catch would, but lets the core go on at once: firmware sees nothing
of it and no time passes. Where a real debugger has taken the core (DHCSR.C_DEBUGEN), vector catch is the debugger's,
and only what it halts for is told.

Sources: ARMv7-M Architecture Reference Manual, B1.5.6 (stack frame), B1.5.8 (EXC_RETURN), B3.2.15 to B3.2.18 (CFSR,
HFSR, MMFAR, BFAR), A7.7.18 and A7.7.19 (BL, BLX).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hil.virtual.soc.cpu import HaltReason
from hil.virtual.soc.memory import FLASH_SIZE, RAM_BASE, RAM_SIZE, BusFault
from hil.virtual.soc.nrf52840 import ResetCause, Soc

FAULTS = {3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}
"""Exceptions that tell of a mistake of the firmware's, by number."""
HARD_FAULT = 3
SCAN_WORDS = 1024
"""How far up the stack return addresses are looked for."""
TRACE_DEPTH = 16
DISTINCT = 32
"""Places that are told in full; firmware that fails everywhere is told no further."""

_CFSR, _HFSR, _MMFAR, _BFAR = 0xE000_ED28, 0xE000_ED2C, 0xE000_ED34, 0xE000_ED38
_CFSR_BITS = {
    0: "IACCVIOL",
    1: "DACCVIOL",
    3: "MUNSTKERR",
    4: "MSTKERR",
    5: "MLSPERR",
    8: "IBUSERR",
    9: "PRECISERR",
    10: "IMPRECISERR",
    11: "UNSTKERR",
    12: "STKERR",
    13: "LSPERR",
    16: "UNDEFINSTR",
    17: "INVSTATE",
    18: "INVPC",
    19: "NOCP",
    24: "UNALIGNED",
    25: "DIVBYZERO",
}
_MMARVALID, _BFARVALID = 1 << 7, 1 << 15
_HFSR_BITS = {1: "VECTTBL", 30: "FORCED", 31: "DEBUGEVT"}
_FRAME = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
_FRAME_PC = 6
_ERASED_VECTORS = b"\xff" * 8
_SP, _LR, _XPSR, _MSP, _PSP = 13, 14, 16, 17, 18


@dataclass(frozen=True)
class FaultReport:
    """What was found at one fault."""

    kind: str
    """The exception's name, or "lockup"."""
    tick: int
    """When, in ticks of the kernel."""
    registers: dict[str, int]
    """r0 to r12, sp, lr, pc and xpsr of the code that failed; without those that a broken stack has lost."""
    status: str
    """CFSR and HFSR with the names of their bits, and the fault address where there is one."""
    backtrace: tuple[int, ...]
    """Return addresses found on the stack, innermost first: a scan, so some may be left over from earlier calls."""

    @property
    def pc(self) -> int | None:
        """Where the firmware failed; None when the stack frame is lost."""
        return self.registers.get("pc")

    def lines(self) -> list[str]:
        """The report for a log."""
        where = f"0x{self.pc:08x}" if self.pc is not None else "an unknown address (no stack frame)"
        lines = [f"{self.kind} at {where}: {self.status}"]
        items = [f"{name:>4} 0x{value:08x}" for name, value in self.registers.items()]
        lines += ["  " + "  ".join(items[at : at + 6]) for at in range(0, len(items), 6)]
        trace = " ".join(f"0x{address:08x}" for address in self.backtrace)
        lines.append(f"  backtrace (stack scan): {trace or 'no return address found'}")
        return lines


class FaultWatch:
    """Watches one chip and hands each new fault to `told`; call `poll` between slices of the kernel, a second apart or
    less. A fault that comes again at the same place is counted, and told again at the 10th, 100th, ... time. A chip
    without a vector table is not told of.

    `told` gets the report and how often that fault has happened. It is called inside the kernel.
    """

    def __init__(self, soc: Soc, told: Callable[[FaultReport, int], None]) -> None:
        self._soc = soc
        self._told = told
        self.counts: dict[tuple[str, int | None], int] = {}
        """How often each (kind, pc) has happened."""
        self.reports: list[FaultReport] = []
        """The first report of each."""
        self._open = 0
        """The exception told last, until it is over."""
        self._debugger_halts = soc.cpu.on_halt
        self._chip_locks_up = soc.cpu.on_lockup
        soc.cpu.on_halt = self._halted
        soc.cpu.on_lockup = self._locked_up
        soc.on_reset.append(self._was_reset)
        self._catch()

    def poll(self) -> None:
        """Keep the catch set, which a debugger that leaves clears, and find a HardFault that got past it."""
        self._catch()
        active = self._soc.cpu.active_exception if self._soc.powered else 0
        if active == HARD_FAULT and self._open != HARD_FAULT and not self._soc.cpu.lockup:
            self._report(FAULTS[HARD_FAULT], in_handler=True)
        self._open = active if active in FAULTS else 0

    def _catch(self) -> None:
        cpu = self._soc.cpu
        if not cpu.debug_enabled:
            wanted = sum(1 << number for number in FAULTS)
            if cpu.vector_catch != wanted:
                cpu.vector_catch = wanted

    def _was_reset(self, cause: ResetCause) -> None:
        self._open = 0
        self._catch()

    def _halted(self, reason: HaltReason) -> None:
        cpu = self._soc.cpu
        active = cpu.active_exception
        if reason is not HaltReason.VECTOR_CATCH or active not in FAULTS:
            self._debugger_halts(reason)
            return
        self._report(FAULTS[active], in_handler=True)
        self._open = active
        if cpu.debug_enabled:
            self._debugger_halts(reason)
        else:
            cpu.debug_resume()

    def _locked_up(self) -> None:
        self._report("lockup", in_handler=False)
        self._chip_locks_up()

    # ---- The report ----

    def _report(self, kind: str, *, in_handler: bool) -> None:
        if self._soc.memory.read(0, 8) == _ERASED_VECTORS:
            return  # a chip without a program locks up at once: nothing has failed
        frame, link = self._frame() if in_handler else (None, 0)
        stacked = self._words(frame, len(_FRAME)) if frame is not None else []
        # Firmware that fails and resets itself may do so 100,000 times a second: what is not told must be quick.
        pc: int | None = None
        if frame is None:
            pc = None if in_handler else self._soc.cpu.program_counter
        elif len(stacked) == len(_FRAME):
            pc = stacked[_FRAME_PC]
        key = (kind, pc)
        if key not in self.counts and len(self.counts) >= DISTINCT:
            return
        count = self.counts[key] = self.counts.get(key, 0) + 1
        if str(count).strip("0") != "1":
            return
        registers, stack = self._registers(frame, link, stacked)
        if frame is None and in_handler:
            del registers["pc"]  # the handler's own
        report = FaultReport(kind, self._soc.kernel.now, registers, self._status(), self._scan(stack))
        if count == 1:
            self.reports.append(report)
        self._told(report, count)

    def _frame(self) -> tuple[int | None, int]:
        """Where the exception's entry has put the registers, and its EXC_RETURN; None where it could not."""
        cpu = self._soc.cpu
        exception, frame, link = cpu.latest_fault
        if exception != cpu.active_exception or not frame:
            return None, link
        return frame, link

    def _registers(self, frame: int | None, link: int, stacked: list[int]) -> tuple[dict[str, int], int]:
        """The registers of the code that failed, and where its stack goes on above them."""
        cpu = self._soc.cpu
        live = {f"r{number}": cpu.read_register(number) for number in range(13)}
        if frame is None:
            sp = cpu.read_register(_SP)
            return live | {
                "sp": sp,
                "lr": cpu.read_register(_LR),
                "pc": cpu.program_counter,
                "xpsr": cpu.read_register(_XPSR),
            }, sp
        if len(stacked) < len(_FRAME):
            return {f"r{number}": live[f"r{number}"] for number in range(4, 12)} | {"sp": frame}, frame
        found = live | dict(zip(_FRAME, stacked, strict=True))
        extended = not link & 0x10
        found["sp"] = frame + (0x68 if extended else 0x20) + (4 if found["xpsr"] & 1 << 9 else 0)
        order = [*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr"]
        return {name: found[name] for name in order}, found["sp"]

    def _status(self) -> str:
        read = self._soc.bus.read
        cfsr, hfsr = read(_CFSR, 4), read(_HFSR, 4)
        names = [name for bit, name in _CFSR_BITS.items() if cfsr >> bit & 1]
        names += [name for bit, name in _HFSR_BITS.items() if hfsr >> bit & 1]
        text = f"CFSR 0x{cfsr:08x} HFSR 0x{hfsr:08x}" + (f" ({' '.join(names)})" if names else "")
        if cfsr & _MMARVALID:
            text += f", MMFAR 0x{read(_MMFAR, 4):08x}"
        if cfsr & _BFARVALID:
            text += f", BFAR 0x{read(_BFAR, 4):08x}"
        return text

    def _words(self, address: int, count: int) -> list[int]:
        """Words of RAM, fewer where it ends."""
        if not RAM_BASE <= address < RAM_BASE + RAM_SIZE or address & 3:
            return []
        size = min(4 * count, RAM_BASE + RAM_SIZE - address)
        return list(memoryview(self._soc.memory.read(address, size)).cast("I"))

    def _scan(self, stack: int) -> tuple[int, ...]:
        found: list[int] = []
        for word in self._words(stack, SCAN_WORDS):
            if word & 1 and self._follows_call(word & ~1) and (not found or found[-1] != word & ~1):
                found.append(word & ~1)
                if len(found) == TRACE_DEPTH:
                    break
        return tuple(found)

    def _follows_call(self, address: int) -> bool:
        """Whether the instruction in front of an address is BL or BLX."""
        if not (4 <= address < FLASH_SIZE or RAM_BASE + 4 <= address < RAM_BASE + RAM_SIZE):
            return False
        try:
            first, second = memoryview(self._soc.memory.read(address - 4, 4)).cast("H")
        except BusFault:
            return False
        if first == second == 0xFFFF:  # erased
            return False
        return (first & 0xF800 == 0xF000 and second & 0xD000 == 0xD000) or second & 0xFF87 == 0x4780
