"""An upload over a bad radio completes or ends with a clear error, never hangs and never corrupts, and is resumed when
the radio is good again.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hil.dfu.reach import LinkSettings
from hil.dfu.update import Update
from hil.errors import DeviceError
from hil.rig import files
from hil.rig.device import Device
from hil.rig.product import Product, bundled_product
from hil.rig.rig import Rig, open_rig

LONGEST_S = 900.0
"""Of bench time; at the worst each of the attempts waits for its time-outs."""


@dataclass(frozen=True)
class Radio:
    """What is wrong with it. Probabilities from 0 to 1, distance as attenuation in dB."""

    loss: float
    bad_crc: float
    burst: tuple[float, float]
    channels: frozenset[int]
    interference: float
    attenuation: float
    gone: bool


radios = st.builds(
    Radio,
    loss=st.floats(0.0, 0.7),
    bad_crc=st.floats(0.0, 1.0),
    burst=st.tuples(st.floats(0.0, 0.05), st.floats(0.02, 1.0)),
    channels=st.frozensets(st.integers(0, 36), max_size=37),
    interference=st.floats(0.0, 1.0),
    attenuation=st.floats(0.0, 60.0),
    gone=st.booleans(),
)
clear = Radio(0.0, 0.0, (0.0, 1.0), frozenset(), 0.0, 0.0, False)


@cache
def product() -> Product:
    return bundled_product(files.load("virtual").device)


def disturb(rig: Rig, radio: Radio) -> None:
    bench = rig.hardware
    device, central = bench.radios[0].controller, bench.central
    bench.air.set_loss(device, central, radio.loss, crc_share=radio.bad_crc)
    bench.air.set_bursts(device, central, *radio.burst)
    bench.air.set_interference(radio.channels, radio.interference)
    bench.air.set_attenuation(central, radio.attenuation)
    bench.air.out_of_range(central, radio.gone)


def upload_over(radio: Radio, fraction: float, seed: int) -> None:
    images = product().images()
    image = images.make("1.1.0")
    with tempfile.TemporaryDirectory() as folder, open_rig(files.load("virtual")) as rig:
        rig.begin_case("BAD-RADIO", seed, Path(folder))
        dut = Device(rig)
        dut.provision(
            bootloader=product().bootloader,
            provisioning=product().provisioning.page(),
            image=images.make("1.0.0"),
        )
        dut.wait_booted()
        update = Update(rig.run, dut.air(LinkSettings(phy="2M", data_length=251)))
        transfer = update.start(image)
        transfer.run_until(fraction=fraction)
        began = rig.clock()
        disturb(rig, radio)
        try:
            transfer.run()
            event("completed")
        except DeviceError as error:
            assert str(error)
            event(f"ended: {type(error).__name__}")
        assert rig.clock() - began < LONGEST_S
        disturb(rig, clear)
        if not transfer.is_complete:
            transfer.drop_link()
            update.resume(transfer)
        assert dut.holds(image, "secondary")
        rig.end_case(failed=False)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(radios, st.floats(0.0, 0.9), st.integers(0, 1000))
def test_an_upload_over_a_bad_radio(radio: Radio, fraction: float, seed: int) -> None:
    upload_over(radio, fraction, seed)


@pytest.mark.nightly
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(radios, st.floats(0.0, 0.9), st.integers(0, 1000))
def test_many_uploads_over_bad_radios(radio: Radio, fraction: float, seed: int) -> None:
    upload_over(radio, fraction, seed)
