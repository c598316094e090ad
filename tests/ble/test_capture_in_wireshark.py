"""A capture of an upload as Wireshark dissects it; test_btsnoop.py holds the format without its help."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from hil.ble.btsnoop import UNIX_EPOCH_US, BtsnoopWriter
from hil.dfu.reach import BleReach, LinkSettings
from hil.dfu.session import Session
from hil.dfu.smp_header import HEADER_SIZE
from hil.dfu.transfer import Upload
from hil.virtual.wire.loop import VirtualEventLoop
from tests.ble.air_bench import air_bench
from tests.dfu.conftest import Image
from tests.dfu.smp_server import SmpServer

TSHARK = shutil.which("tshark")
IMAGE = Image(random.Random(2).randbytes(12_000))

WRITE_COMMAND, NOTIFICATION = "0x52", "0x1b"
IMAGE_GROUP, UPLOAD = 1, 1
KNOWN = {"btatt", "btcommon", "bthci_acl", "bthci_cmd", "bthci_evt"}
ERROR = 0x800000  # Wireshark's PI_ERROR

pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")


def tshark(capture: Path, *arguments: str) -> list[str]:
    """Lines that tshark prints, with a profile of nobody's."""
    assert TSHARK is not None
    home = capture.parent / "home"
    home.mkdir(exist_ok=True)
    ended = subprocess.run(
        [TSHARK, "-r", str(capture), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    return ended.stdout.splitlines()


@pytest.fixture(scope="module", params=[23, 498])
def capture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An upload over a link of this MTU, captured at the central."""
    from hil.virtual.kernel import Kernel

    path = tmp_path_factory.mktemp("capture") / "link.btsnoop"
    loop = VirtualEventLoop(Kernel(seed=3))

    async def main() -> None:
        async with air_bench(loop, SmpServer(lambda _: None)) as bench:
            with BtsnoopWriter(path, lambda: UNIX_EPOCH_US + round(loop.time() * 1_000_000)) as writer:
                bench.central.capture_to(writer)
                link = LinkSettings(mtu=request.param, phy="2M", data_length=251)
                session = Session(BleReach(bench.central, name="kit", link=link))
                upload = Upload(IMAGE)
                await upload.begin(await session.client(), await session.parameters())
                await upload.advance()
                await session.close()
                bench.central.capture_to(None)

    try:
        loop.run(main())
    finally:
        loop.close()
    return path


def test_nothing_in_it_is_malformed(capture: Path) -> None:
    assert tshark(capture, "-Y", f"_ws.malformed or _ws.expert.severity >= {ERROR}") == []
    protocols = tshark(capture, "-T", "fields", "-e", "frame.protocols")
    assert {line.split(":")[-1] for line in protocols} <= KNOWN
    assert sum(line.endswith("btatt") for line in protocols) > 20


def test_the_times_are_those_of_the_bench(capture: Path) -> None:
    times = [float(line) for line in tshark(capture, "-T", "fields", "-e", "frame.time_epoch")]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] < 60


def test_the_smp_messages_are_found_in_the_att_values(capture: Path) -> None:
    fields = ("-Y", "btatt.value", "-T", "fields", "-e", "btatt.opcode", "-e", "btatt.value")
    values = [line.split("\t") for line in tshark(capture, *fields)]
    sent = _messages([text for code, text in values if code == WRITE_COMMAND])
    received = _messages([text for code, text in values if code == NOTIFICATION])
    uploads = [message for message in sent if _is_upload(message)]
    assert len(uploads) == len([message for message in received if _is_upload(message)]) >= 5
    assert b"".join(uploads).count(IMAGE.data[5000:5200]) == 1


def _messages(values: list[str]) -> list[bytes]:
    """SMP messages, by the length in their headers, which neither writes nor notifications have to respect."""
    stream = b"".join(bytes.fromhex(value.replace(":", "")) for value in values)
    messages = []
    while stream:
        end = HEADER_SIZE + int.from_bytes(stream[2:4], "big")
        messages.append(stream[:end])
        stream = stream[end:]
    return messages


def _is_upload(message: bytes) -> bool:
    return (int.from_bytes(message[4:6], "big"), message[7]) == (IMAGE_GROUP, UPLOAD)
