"""Supplies that sag, drop out, bounce and chatter, at each stage of an update and down to each voltage that matters."""

from __future__ import annotations

import contextlib

import pytest
from interruption import Interrupted, Stage

from hil.case import case, measured, stage
from hil.dfu.errors import SmpError
from hil.dfu.update import Update
from hil.errors import BenchError, DeviceError
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages

EVIDENCE = ["BRIEF-battery", "BRIEF-rollback", "CRA-I.2.h"]
STAGES: tuple[Stage, ...] = ("metadata", "upload", "swap", "first boot", "confirm")

FULL = 1.0
"""Shares of the nominal voltage are used below, so that the shapes fit any supply."""

# A shape is what the supply does, as (seconds, volts as a share of nominal) reached in a straight line, one after the
# other; a time of 0 is a step. Nominal is 3 V on the bundled rig: 0.63 is the firmware's power-fail threshold of 1.9 V.
Shape = list[tuple[float, float]]
SHAPES: dict[str, Shape] = {
    "slow sag": [(2.0, 0.5), (1.0, 0.5), (1.0, FULL)],
    "notch": [(0, 0.1), (0.02, 0.1), (0, FULL)],
    "long notch": [(0, 0.0), (0.4, 0.0), (0, FULL)],
    "bounce": [
        *[(0, 0.0), (0.03, 0.0), (0, FULL), (0.05, FULL)],
        *[(0, 0.0), (0.03, 0.0), (0, FULL), (0.4, FULL)],
        *[(0, 0.55), (0.02, 0.55), (0, FULL)],
    ],
    "chattering contact": [(0, 0.0), (0.004, 0.0), (0, FULL), (0.006, FULL)] * 12,
}

# POWER.POFCON.THRESHOLD of the nRF52840 (Product Specification, POWER): 1.7 V to 2.8 V in steps of 0.1 V. A floor below
# the firmware's own threshold makes it pause, one below brown-out (some 1.7 V) resets it.
POF_VOLTS = [1.7, 1.8, 1.9, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 2.8]


def play(rig: Rig, shape: Shape) -> None:
    """Let the supply follow the shape, and leave it at its nominal voltage."""
    table = rig.file.supply
    assert table is not None
    nominal = table.nominal_volts
    rig.supply.shape(nominal, [(seconds, share * nominal) for seconds, share in shape])
    rig.supply.set_volts(nominal)


@case(
    "BRO-01",
    "A supply that sags, drops out, bounces or chatters at any stage of an update leaves a whole, updatable device",
    evidence_for=EVIDENCE,
    needs=["central", "supply.ramp"],
)
@pytest.mark.parametrize("where", STAGES)
@pytest.mark.parametrize("shape", list(SHAPES))
def test_shapes(
    dut: Device, base_image: SignedImage, next_image: SignedImage, rig: Rig, shape: str, where: Stage
) -> None:
    update = Interrupted(dut, next_image, base_image)
    update.to(where, lambda: play(rig, SHAPES[shape]))
    update.finish()


@case(
    "BRO-02",
    "A supply that sags to any of the chip's power-fail thresholds, at any stage, costs no image",
    evidence_for=EVIDENCE,
    needs=["central", "supply.ramp"],
)
@pytest.mark.parametrize("where", STAGES)
@pytest.mark.parametrize("volts", POF_VOLTS)
def test_each_threshold(
    dut: Device, base_image: SignedImage, next_image: SignedImage, rig: Rig, volts: float, where: Stage
) -> None:
    table = rig.file.supply
    assert table is not None
    if volts > table.nominal_volts:
        pytest.skip(f"{volts:g} V is above this supply's nominal {table.nominal_volts:g} V")
    share = volts / table.nominal_volts
    update = Interrupted(dut, next_image, base_image)
    # Just above and just below the threshold, so that whichever of them the firmware uses is crossed.
    margin = 0.03 / table.nominal_volts
    shape = [
        (0.3, share + margin),
        (0.5, share + margin),
        (0.1, share - margin),
        (1.0, share - margin),
        (0.3, FULL),
    ]
    update.to(where, lambda: play(rig, shape))
    update.finish()


@case(
    "BRO-03",
    "A battery whose internal resistance lets the voltage sag under the load of erasing costs no image",
    evidence_for=EVIDENCE,
    needs=["central", "supply", "faults"],
)
@pytest.mark.parametrize("ohms", [30.0, 90.0, 150.0])
@pytest.mark.parametrize("where", STAGES)
def test_battery_resistance(
    dut: Device,
    base_image: SignedImage,
    next_image: SignedImage,
    images: ReportedImages,
    rig: Rig,
    where: Stage,
    ohms: float,
) -> None:
    faults = rig.faults
    if faults is None:
        raise BenchError("the bench has no faults")
    with stage("used flash"):
        # Into erased flash an upload erases nothing, and draws little.
        before = Update(rig.run, dut.air())
        before.start(images.make("1.3.0")).run()
        before.close()
    update = Interrupted(dut, next_image, base_image)
    faults.set_supply_resistance(ohms)
    # Weak enough it does not even come to the stage: that is a brown-out of its own.
    reached = False
    with contextlib.suppress(SmpError, DeviceError):
        update.to(where, lambda: rig.sleep(8.0))
        reached = True
    measured("stage reached", int(reached), "")
    with stage("fresh battery"):
        faults.set_supply_resistance(0.0)
        dut.power_cycle()
    update.finish()
