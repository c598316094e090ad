"""What each way of tuning the link brings: data length extension, 2M PHY, writes without response, interval, ATT MTU.

Each case measures the same transfer both ways and judges the ratio, so that the figures hold on any bench whose
link can be set. The brief's numbers are the limits.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from hil.ble.cell import negotiated
from hil.ble.central import Central, Seen
from hil.ble.sink import Sink, pour
from hil.ble.uuids import SINK_SERVICE
from hil.case import case, measured, stage
from hil.dfu.reach import BleReach, LinkSettings
from hil.dfu.update import Update
from hil.errors import BenchError, DeviceError
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages, ReportedUpdate

NEEDS = ["central", "link.phy", "link.data-length", "link.interval"]
SINK_NEEDS = [*NEEDS, "device.throughput-sink"]
TUNED = LinkSettings(mtu=247, interval_ms=15.0, phy="2M", data_length=251)
BYTES = 24_000


async def _rate(
    central: Central, peer: Seen, link: LinkSettings, total: int, response: bool = False
) -> float:
    """Bytes/s at which a sink takes `total` bytes over a link of its own; DeviceError when some got lost."""
    connection = await central.connect(
        peer,
        mtu=link.mtu,
        interval_ms=link.interval_ms,
        phy=link.phy,
        data_length=link.data_length,
        services=[SINK_SERVICE],
    )
    try:
        poured = await pour(connection, total, response=response)
    finally:
        await connection.disconnect()
    if poured.counted != poured.sent:
        raise DeviceError(f"{poured.sent} were sent and {poured.counted} arrived")
    return poured.sent.bytes / poured.seconds


def _measure(rig: Rig, dut: Device, name: str, link: LinkSettings, *, response: bool = False) -> float:
    central, ble = rig.central, dut.file.ble

    async def measure() -> float:
        peer = await central.find(name=ble.name, address=ble.address)
        return await _rate(central, peer, link, BYTES, response)

    with stage(name):
        rate = rig.run(measure())
    measured(name, round(rate), "B/s")
    return rate


def _link_alone(rig: Rig, links: dict[str, LinkSettings]) -> dict[str, float]:
    """The rate of each link from the central to the spare controller.

    No device takes part: its UART would hide what the air gains.
    """
    central, sink = rig.central, Sink(rig.spare)
    rig.run(sink.start())
    rates = {}

    async def measure(link: LinkSettings) -> float:
        return await _rate(central, await central.find(name=sink.name), link, 2 * BYTES)

    for name, link in links.items():
        with stage(name):
            rates[name] = rig.run(measure(link))
        measured(name, round(rates[name]), "B/s")
    return rates


def _ratio(name: str, ratio: float) -> float:
    measured(name, round(ratio, 3), "")
    return ratio


@case(
    "THR-04",
    "Data length extension alone carries the same data at least twice as fast",
    evidence_for=["BRIEF-dle", "BRIEF-throughput"],
    needs=SINK_NEEDS,
)
def test_data_length_extension(dut: Device, rig: Rig) -> None:
    short = _measure(rig, dut, "27 octets", replace(TUNED, phy="1M", data_length=27))
    long = _measure(rig, dut, "251 octets", replace(TUNED, phy="1M"))
    ratio = _ratio("gain by data length", long / short)
    assert ratio >= 2, f"PDUs of 251 octets carry {ratio:.2f} times what 27 octets do, expected 2 to 5 times"


@case(
    "THR-05",
    "The 2M PHY carries the same data at least 1.6 times as fast as 1M, both with long PDUs",
    evidence_for=["BRIEF-throughput"],
    needs=[*NEEDS, "spare-controller"],
)
def test_phy(rig: Rig) -> None:
    rates = _link_alone(rig, {phy: replace(TUNED, mtu=498, phy=phy) for phy in ("1M", "2M")})
    ratio = _ratio("gain by PHY", rates["2M"] / rates["1M"])
    if ratio < 1.6:
        raise BenchError(f"2M carries {ratio:.2f} times what 1M does, expected 1.8 to 1.9 times")


@case(
    "THR-06",
    "Writes without response carry the image data at least twice as fast as writes with response",
    evidence_for=["BRIEF-write-without-response", "BRIEF-throughput"],
    needs=SINK_NEEDS,
)
def test_write_without_response(dut: Device, rig: Rig) -> None:
    slow = _measure(rig, dut, "with response", TUNED, response=True)
    fast = _measure(rig, dut, "without response", TUNED)
    ratio = _ratio("gain without response", fast / slow)
    assert ratio >= 2, (
        f"writes without response are {ratio:.2f} times as fast as with, expected twice at least"
    )


@case(
    "THR-07",
    "A short connection interval uploads an image faster than a long one",
    evidence_for=["BRIEF-interval", "BRIEF-throughput"],
    needs=NEEDS,
)
def test_interval(dut: Device, rig: Rig, images: ReportedImages) -> None:
    rates = {}
    for version, interval_ms in (("1.1.0", 15.0), ("1.2.0", 100.0)):
        name = f"{interval_ms:g} ms"
        # One request at a time, as a simple client does it: each then waits for two intervals.
        update = Update(rig.run, dut.air(replace(TUNED, interval_ms=interval_ms)), window=1)
        with stage(name):
            outcome = update.start(images.make(version)).run()
            update.close()
        rates[name] = outcome.goodput_bytes_per_s
        measured(name, round(outcome.goodput_bytes_per_s), "B/s")
    ratio = _ratio("gain by interval", rates["15 ms"] / rates["100 ms"])
    assert ratio > 1.5, f"at 15 ms an upload is {ratio:.2f} times as fast as at 100 ms"


@case(
    "THR-08",
    "An ATT MTU that fills whole link layer packets carries at least as much as a larger one that does not",
    evidence_for=["BRIEF-throughput"],
    needs=[*NEEDS, "spare-controller"],
)
def test_mtu_fills_packets(rig: Rig) -> None:
    # With the four octets of L2CAP's header 498 fills two packets of 251. The brief's 502 is that sum: as an ATT MTU it
    # needs a third packet, as 512 does.
    rates = _link_alone(rig, {f"MTU {mtu}": replace(TUNED, mtu=mtu) for mtu in (247, 498, 502, 512)})
    best = max(rates, key=lambda name: rates[name])
    if rates["MTU 498"] < 0.999 * rates[best]:
        raise BenchError(f"{best} carries more than MTU 498")
    if rates["MTU 498"] <= rates["MTU 502"]:
        raise BenchError("a third packet for the last octets cost nothing")


@case(
    "THR-09",
    "During an update the link has the 2M PHY, long PDUs and the large ATT MTU that were asked for",
    evidence_for=["BRIEF-phy", "BRIEF-dle", "BRIEF-mtu"],
    needs=NEEDS,
    controls=["mtu"],
)
def test_the_link_of_an_update_is_the_tuned_one(
    dut: Device, rig: Rig, update: ReportedUpdate, images: ReportedImages
) -> None:
    update.session.reach = reach = dut.air(replace(TUNED, mtu=498))
    with stage("upload"):
        transfer = update.start(images.make("1.1.0"))
        transfer.run_until(fraction=0.5)
        assert reach.connection is not None
        cell = rig.run(negotiated(reach.connection))
    measured("ATT MTU", cell.mtu, "B")
    measured("data length", cell.data_length, "B")
    assert (cell.phy, cell.mtu, cell.data_length) == ("2M", 498, 251), f"in mid-upload the link is {cell}"


@case(
    "UPD-05",
    "An update is taken over the least link there is: 1M PHY, PDUs of 27 octets, ATT MTU 23",
    evidence_for=["BRIEF-phy", "BRIEF-mtu", "BRIEF-dle", "CRA-I.2.c"],
    needs=NEEDS,
)
def test_an_update_over_the_least_link(
    dut: Device, update: ReportedUpdate, images: ReportedImages, rig: Rig
) -> None:
    reach = dut.air(LinkSettings(mtu=23, interval_ms=15.0, phy="1M", data_length=27))
    update.session.reach = reach
    image = images.make("1.1.0")
    with stage("upload"):
        transfer = update.start(image)
        transfer.run_until(fraction=0.1)
        assert isinstance(reach, BleReach) and reach.connection is not None
        cell = rig.run(negotiated(reach.connection))
        if (cell.phy, cell.mtu, cell.data_length) != ("1M", 23, 27):
            pytest.fail(f"the link is {cell} with PDUs of {cell.data_length} octets: not the least one")
        outcome = transfer.run()
    measured("upload", round(outcome.goodput_bytes_per_s), "B/s")
    with stage("activate"):
        update.activate(image)
    assert dut.holds(image)
