"""Tools that others wrote, unmodified, against the emulated device: smpclient's client and imgtool's command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import serial
from smp.image_management import ImageStatesReadResponse, ImageStatesWriteResponse
from smp.os_management import EchoWriteResponse, ResetWriteResponse
from smpclient import SMPClient
from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import EchoWrite, ResetWrite
from smpclient.transport.ble import SMPBLETransport
from smpclient.transport.serial import SMPSerialTransport

from hil.ble.bleak_platform import bleak_on
from hil.image.sign import SignedImage
from hil.image.trailer import Flag
from hil.rig.device import Device
from hil.rig.product import Product
from hil.rig.rig import Rig
from hil.run.reported import ReportedUpdate

SELF_TEST_S = 3.0
SWAP_S = 60.0


def test_smpclient_updates_the_device_over_its_own_ble_transport(
    dut: Device, rig: Rig, next_image: SignedImage
) -> None:
    radio = rig.central.radio
    assert radio is not None

    async def upload() -> None:
        async with SMPClient(SMPBLETransport(), rig.file.device.ble.name or "", timeout_s=10) as client:
            offsets = [offset async for offset in client.upload(next_image.data)]
            assert offsets[-1] == len(next_image.data)
            answer = await client.request(ImageStatesWrite(hash=next_image.hash))
            assert isinstance(answer, ImageStatesWriteResponse), answer
            reset = await client.request(ResetWrite())
            assert isinstance(reset, ResetWriteResponse), reset

    async def states() -> ImageStatesReadResponse:
        async with SMPClient(SMPBLETransport(), rig.file.device.ble.name or "", timeout_s=10) as client:
            answer = await client.request(ImageStatesRead())
            assert isinstance(answer, ImageStatesReadResponse), answer
            return answer

    with bleak_on(radio):
        rig.run(upload())
        rig.console.wait_for(rf"{next_image.version}.* starts, unconfirmed", SWAP_S)
        rig.sleep(SELF_TEST_S)
        running = next(state for state in rig.run(states()).images if state.active)
    assert (running.version, running.hash, running.confirmed) == (
        str(next_image.version),
        next_image.hash,
        True,
    )
    assert dut.holds(next_image)
    assert dut.slot("primary").trailer.image_ok is Flag.SET


def test_smpclient_talks_over_its_own_serial_transport(
    dut: Device, rig: Rig, base_image: SignedImage
) -> None:
    """It opens ports by pyserial's class for real ones; here that is pyserial's function that takes URLs as well."""

    def port(**settings: Any) -> serial.SerialBase:
        return serial.serial_for_url("hil://kit0/console", do_not_open=True, **settings)

    async def talk() -> None:
        async with SMPClient(SMPSerialTransport(), "hil://kit0/console", timeout_s=10) as client:
            echo = await client.request(EchoWrite(d="to the device and back"))
            assert isinstance(echo, EchoWriteResponse), echo
            assert echo.r == "to the device and back"
            states = await client.request(ImageStatesRead())
            assert isinstance(states, ImageStatesReadResponse), states
            assert [(state.hash, state.active) for state in states.images] == [(base_image.hash, True)]

    with patch("smpclient.transport.serial.common.Serial", port):
        rig.run(talk())


def test_the_bootloader_takes_an_image_that_imgtools_command_line_signed(
    dut: Device, update: ReportedUpdate, product: Product, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_bytes(product.key.private_pem())
    (tmp_path / "payload.bin").write_bytes(product.images().application)
    command = [sys.executable, "-m", "imgtool.main", "sign", "--key", "key.pem", "--version", "1.1.0"]
    command += ["--header-size", hex(dut.file.header_size), "--pad-header", "--align", "4"]
    command += ["--slot-size", hex(dut.file.slot("primary").size), "--security-counter", "1"]
    command += ["--vid", str(product.provisioning.vendor), "--cid", str(product.provisioning.device_class)]
    subprocess.run(
        [*command, "payload.bin", "image.bin"], cwd=tmp_path, capture_output=True, timeout=60, check=True
    )
    image = SignedImage.from_bytes((tmp_path / "image.bin").read_bytes())
    update.run(image)
    assert dut.holds(image)
    assert dut.slot("primary").trailer.image_ok is Flag.SET
