"""Whether a cut is a cut: the device is without power, and soon enough.

A board can live on after its supply is switched off: from its capacitors, and from pins that a host drives
high, by the protection diodes of the chip (SWDIO, the UART's TXD, nRESET). A case that cuts the power then
tests a sag, or nothing.

Before the power is cut, the chip is reset and halted by the probe, so that RESETREAS says "soft reset"; a
pattern is put into several places of RAM and into GPREGRET. After it came back
- RESETREAS reads 0, as after a power-on or brown-out reset and no other (nRF52840 Product Specification,
  POWER, RESETREAS);
- GPREGRET, which keeps its value over every other reset, reads 0;
- the pattern in RAM is gone. That alone would prove little, since firmware may clear it as it starts.

How long it takes is measured at the debug port: from the command until it no longer acknowledges.
"""

from __future__ import annotations

import contextlib
import logging
import random
import statistics
from collections.abc import Iterator

from hil.errors import BenchError, HilError
from hil.rig.check.steps import OFF_VOLTS, SETTLE_S, Said, Step
from hil.rig.rig import Rig

RESETREAS, GPREGRET = 0x4000_0400, 0x4000_051C
SREQ = 1 << 2
MARK = 0xA5
CANARIES = (0x2000_1000, 0x2000_8000, 0x2001_8000, 0x2002_F000)
CANARY_BYTES = 64
_POLL_S = 0.0005
PATIENCE_S = 3.0
"""A board that is not off by then is not off."""


def cut_steps(rig: Rig, cuts: int) -> list[Step]:
    """For a rig that has both a supply and a probe."""
    if rig.file.supply is None or rig.file.probe is None:
        return []
    ready = ("supply: voltage", "probe: memory")
    found = [Step("power", "a cut is a cut", lambda: _proof(rig), ready)]
    if cuts:
        found.append(Step("power", "delay of a cut", lambda: _delay(rig, cuts), ("power: a cut is a cut",)))
    return found


def _proof(rig: Rig) -> Said:
    family = rig.file.device.soc.lower()
    alive = _alive_after_cut(rig)
    if alive is not None:
        raise BenchError(f"power: {alive}{_culprit(rig)}")
    table = rig.file.supply
    assert table is not None
    _power(rig)
    probe = rig.probe
    probe.reset(halt=True)
    pattern = random.Random(1).randbytes(CANARY_BYTES)
    for address in CANARIES:
        probe.write(address, pattern)
    nordic = family.startswith("nrf52")
    if nordic:
        probe.write_words(GPREGRET, [MARK])
    before = probe.read_words(RESETREAS, 1)[0] if nordic else 0
    rig.release_probe()
    rig.supply.cut()
    rig.sleep(table.off_seconds)
    volts = rig.supply.measure_volts() if table.measures_volts else None
    rig.supply.restore()
    rig.sleep(SETTLE_S)
    probe = rig.probe
    probe.halt()
    bits = 8 * CANARY_BYTES * len(CANARIES)
    wrong = sum(
        (a ^ b).bit_count()
        for address in CANARIES
        for a, b in zip(probe.read(address, CANARY_BYTES), pattern, strict=True)
    )
    after, kept = (probe.read_words(RESETREAS, 1)[0], probe.read_words(GPREGRET, 1)[0]) if nordic else (0, 0)
    rig.release_probe()
    figures = {
        "off_volts": volts,
        "canary_bits": bits,
        "canary_bits_lost": wrong,
        "resetreas": after,
        "gpregret": kept,
    }
    if nordic and (after or kept == MARK):
        raise BenchError(
            f"power: after {table.off_seconds:g} s without supply RESETREAS is 0x{after:x} (0x{before:x} before) "
            f"and GPREGRET 0x{kept:x}: the chip was not without power; off_seconds may be too short for the "
            f"capacitors{_culprit(rig)}"
        )
    if wrong < bits // 8:
        raise BenchError(
            f"power: only {wrong} of {bits} bits of RAM were lost in {table.off_seconds:g} s: that was a sag; "
            f"make off_seconds longer, or discharge the board{_culprit(rig)}"
        )
    if volts is not None and volts > OFF_VOLTS:
        raise BenchError(
            f"power: {volts:.2f} V are left at the supply {table.off_seconds:g} s after the cut{_culprit(rig)}"
        )
    left = "the voltage left was not measured" if volts is None else f"{volts:.2f} V left at the supply"
    told = f"{wrong} of {bits} bits of a pattern in RAM lost, {left}"
    if nordic:
        told += ", RESETREAS and GPREGRET read as after power-on"
    return Said(told, figures)


def _delay(rig: Rig, cuts: int) -> Said:
    """From the command to the first access of the debug port that fails."""
    taken: list[float] = []
    unsure: list[float] = []
    with _quiet():
        for _ in range(cuts):
            _power(rig)
            probe = rig.probe
            probe.read_words(CANARIES[0], 1)
            began = last = rig.clock()
            rig.supply.cut()
            while True:
                try:
                    probe.read_words(CANARIES[0], 1)
                except HilError:
                    break
                last = rig.clock()
                if last - began > PATIENCE_S:
                    raise BenchError(f"power: the device still answers {PATIENCE_S:g} s after a cut")
                rig.sleep(_POLL_S)
            taken.append(rig.clock() - began)
            unsure.append(rig.clock() - last)
            _let_go(rig)
            rig.sleep(SETTLE_S)
    figures = {
        "cuts": cuts,
        "median_s": round(statistics.median(taken), 6),
        "least_s": round(min(taken), 6),
        "most_s": round(max(taken), 6),
        "resolution_s": round(max(unsure), 6),
    }
    return Said(
        f"{figures['median_s'] * 1000:.1f} ms from command to silence (least {figures['least_s'] * 1000:.1f}, "
        f"most {figures['most_s'] * 1000:.1f}, N = {cuts}, each known to {figures['resolution_s'] * 1000:.1f} ms)",
        figures,
    )


def _power(rig: Rig) -> None:
    table = rig.file.supply
    assert table is not None
    rig.supply.set_volts(table.nominal_volts)
    rig.supply.restore()
    rig.sleep(SETTLE_S)


def _alive_after_cut(rig: Rig) -> str | None:
    """What says that the device still has power some time after the cut; None when nothing does."""
    table = rig.file.supply
    assert table is not None
    _power(rig)
    rig.probe.read_words(CANARIES[0], 1)
    rig.supply.cut()
    rig.sleep(max(table.off_seconds, 0.1))
    with _quiet():
        try:
            rig.probe.read_words(CANARIES[0], 1)
        except HilError:
            return None
        finally:
            _let_go(rig)
    return f"the debug port still answers {max(table.off_seconds, 0.1):g} s after the supply was switched off"


def _culprit(rig: Rig) -> str:
    """Which of the host's pins keeps the board up, found by letting go of them one after the other."""
    if rig.file.console is not None:
        rig.release_console()
        try:
            if _alive_after_cut(rig) is None:
                return (
                    "; with the console closed the cut is one: TXD of the host feeds the board through the chip's "
                    "RXD pin. Put 10 kohm in series, or a buffer that is off with the board"
                )
        except HilError:
            return ""
    return (
        "; look for what else feeds it: SWDIO and nRESET of the probe, its VTref set to power the target, a USB cable, "
        "large capacitors (discharge them by a resistor)"
    )


def _let_go(rig: Rig) -> None:
    """The device may be off: then there is nothing to let go of."""
    with contextlib.suppress(HilError):
        rig.release_probe()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pyOCD says that a target is gone where that is what is wanted."""
    logger = logging.getLogger("pyocd")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
