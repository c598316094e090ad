"""The update as phones and computers set up their links: each by its profile in rigs/profiles/.

What of a profile a rig can be asked for is applied: ATT MTU, data length, PHY and connection interval. Packets per
event, background suspension and caches are not.
"""

from __future__ import annotations

import pytest

from hil.case import case, measured, stage
from hil.dfu.reach import LinkSettings
from hil.hosts import profile as profiles
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.run.reported import ReportedUpdate


@case(
    "HOST-01",
    "The update completes over a link as each kind of phone and computer sets it up, and resumes when that goes away",
    evidence_for=["BRIEF-resume", "BRIEF-throughput"],
    needs=["central", "link.phy", "link.data-length", "link.interval"],
    controls=["resume:ios-10"],
)
@pytest.mark.parametrize("host", profiles.names())
def test_update_from_host(dut: Device, update: ReportedUpdate, next_image: SignedImage, host: str) -> None:
    behaves = profiles.named(host)
    update.session.reach = dut.air(
        LinkSettings(
            mtu=behaves.att_mtu.value,
            interval_ms=behaves.interval_ms.value,
            phy=behaves.phy.value,
            data_length=behaves.data_length.value,
        )
    )
    with stage("upload"):
        transfer = update.start(next_image)
        transfer.run_until(fraction=0.5)
    with stage("the host goes away"):
        transfer.drop_link()
    with stage("resume"):
        outcome = update.resume(transfer)
        assert outcome.resent_bytes <= outcome.window_bytes
    measured("goodput after the link was lost", round(outcome.goodput_bytes_per_s), "B/s")
    measured(
        "figures of the profile that are assumed", sum(each.is_assumed for _, each in behaves.figures()), ""
    )
    with stage("swap and confirm"):
        update.activate(next_image)
    assert dut.version == next_image.version
