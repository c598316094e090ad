"""How long an update takes, from the first look for the device until the new image has confirmed itself."""

from __future__ import annotations

import pytest

from hil.case import case, measured, stage
from hil.dfu.reach import LinkSettings
from hil.image.mcuboot import ImageVersion
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages, ReportedUpdate

EVIDENCE = ["BRIEF-time-to-update", "CRA-II.2", "CRA-I.2.c"]


def _timed(
    dut: Device, update: ReportedUpdate, images: ReportedImages, payload_bytes: int | None
) -> tuple[float, float]:
    """One whole update in its parts, each a figure; returns the seconds of the upload and of all of it."""
    rig: Rig = dut.rig
    image = images.make("1.1.0", size=payload_bytes) if payload_bytes else images.make("1.1.0")
    began = rig.clock()
    with stage("connect"):
        update.states()
        connected = rig.clock()
    with stage("upload"):
        outcome = update.start(image).run()
        uploaded = rig.clock()
    with stage("swap and boot"):
        update.test(image.hash)
        update.reset()
        update.wait_alive()
        booted = rig.clock()
    with stage("confirm"):
        update.wait_confirmed(image)
        confirmed = rig.clock()
    for name, value in (
        ("connect", connected - began),
        ("upload", uploaded - connected),
        ("swap and boot", booted - uploaded),
        ("confirm", confirmed - booted),
        ("time to update", confirmed - began),
    ):
        measured(name, round(value, 3), "s")
    measured("goodput", round(outcome.goodput_bytes_per_s), "B/s")
    assert dut.version == ImageVersion.parse("1.1.0")
    return uploaded - connected, confirmed - began


@case(
    "TTU-01",
    "A whole update over a link as the host negotiates it takes minutes at most",
    evidence_for=[*EVIDENCE, "BRIEF-hosts"],
    needs=["central"],
    controls=["install"],
)
@pytest.mark.parametrize("limit_s", [60.0], ids=[pytest.HIDDEN_PARAM])
def test_default_link(dut: Device, update: ReportedUpdate, images: ReportedImages, limit_s: float) -> None:
    _, took = _timed(dut, update, images, None)
    assert took <= limit_s, f"the update took {took:.1f} s, allowed are {limit_s:g} s"


@case(
    "TTU-02",
    "A 256 KB update on 2M with long PDUs, a large MTU and a short interval takes three quarters of a minute at most",
    evidence_for=[*EVIDENCE, "BRIEF-phy", "BRIEF-throughput"],
    needs=["central", "link.phy", "link.data-length", "link.interval"],
)
@pytest.mark.parametrize("payload_bytes", [256 * 1024], ids=[pytest.HIDDEN_PARAM])
@pytest.mark.parametrize("upload_limit_s", [45.0], ids=[pytest.HIDDEN_PARAM])
def test_tuned_link(
    dut: Device, update: ReportedUpdate, images: ReportedImages, payload_bytes: int, upload_limit_s: float
) -> None:
    update.session.reach = dut.air(LinkSettings(mtu=498, interval_ms=15.0, phy="2M", data_length=251))
    upload, _ = _timed(dut, update, images, payload_bytes)
    # The brief's 45 s are those of the transfer: the swap comes on top of it, and depends on the flash alone.
    assert upload <= upload_limit_s, f"the upload took {upload:.1f} s, allowed are {upload_limit_s:g} s"
