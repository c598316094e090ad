"""One device's SMP server, asynchronous: its commands, and a connection that is made when needed."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from pydantic import Field
from smp import header, message
from smp import image_management as images
from smp import os_management as system
from smp import zephyr_management as zephyr

from hil.dfu.errors import LinkLost, MgmtError, OsError, SmpResultError
from hil.dfu.parameters import Parameters
from hil.dfu.reach import Reach
from hil.dfu.smp_client import SmpClient
from hil.errors import DeviceError

CONNECT_TIMEOUT_S = 20.0
ERASE_TIMEOUT_S = 60.0
"""A slot of 464 KiB is 116 pages of 85 ms, and a bank of serial flash takes longer."""

_RETRY_PAUSE_S = 0.2


@dataclass(frozen=True)
class SlotState:
    """One slot as the device reports it (SMP "state of images")."""

    image: int
    slot: int
    version: str
    hash: bytes
    bootable: bool
    pending: bool
    confirmed: bool
    active: bool
    permanent: bool

    def __str__(self) -> str:
        flags = [
            name
            for name in ("active", "confirmed", "pending", "permanent", "bootable")
            if getattr(self, name)
        ]
        return f"image {self.image} slot {self.slot}: {self.version} {self.hash.hex()[:8]} {' '.join(flags)}"


@dataclass(frozen=True)
class BootloaderInfo:
    """What the bootloader is, and how it updates; None where the device does not tell."""

    name: str
    mode: int | None
    """MCUboot's enum mcuboot_mode: 2 overwrite only, 3 swap using move, 9 swap using offset, and others."""
    no_downgrade: bool | None


class _ModeResponse(message.ReadResponse):
    """The answer to the bootloader query "mode", which the `smp` package has no message for."""

    _GROUP_ID = header.GroupId.OS_MANAGEMENT
    _COMMAND_ID = header.CommandId.OSManagement.BOOTLOADER_INFO

    mode: int
    no_downgrade: bool | None = Field(default=None, alias="no-downgrade")


class Session:
    """Commands of the OS and image groups; each connects first if the link is down.

    All raise SmpTimeout, LinkLost, SmpProtocolError or the device's own SmpResultError (`hil.dfu.errors`),
    and DeviceError when the device cannot be reached.
    """

    def __init__(self, reach: Reach, *, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self.reach = reach
        self._connect_timeout_s = connect_timeout_s
        self._client: SmpClient | None = None

    async def client(self, timeout_s: float | None = None) -> SmpClient:
        """The SMP client of the present connection, made if there is none."""
        if self._client is None or not self._client.transport.is_open:
            self._client = await self.reach.open(timeout_s or self._connect_timeout_s)
        return self._client

    async def close(self) -> None:
        """Disconnect."""
        self._client = None
        await self.reach.close()

    async def drop(self) -> None:
        """Lose the link at once."""
        self._client = None
        await self.reach.drop()

    # OS group

    async def echo(self, text: str) -> str:
        """Have the device send `text` back."""
        client = await self.client()
        response = await client.request(
            system.EchoWriteRequest, system.EchoWriteResponse, "echo", attempts=2, d=text
        )
        return response.r

    async def parameters(self) -> Parameters | None:
        """The device's SMP buffers, or None if it does not tell them."""
        client = await self.client()
        try:
            response = await client.request(
                system.MCUMgrParametersReadRequest,
                system.MCUMgrParametersReadResponse,
                "MCUmgr parameters",
                attempts=2,
            )
        except MgmtError:
            return None
        return Parameters(response.buf_size, response.buf_count)

    async def bootloader_info(self) -> BootloaderInfo:
        """The bootloader's name, and for MCUboot its mode."""
        client = await self.client()
        what = "bootloader information"
        named = await client.request(
            system.BootloaderInformationReadRequest,
            system.BootloaderInformationReadResponse,
            what,
            attempts=2,
        )
        try:
            mode = await client.request(
                system.BootloaderInformationReadRequest, _ModeResponse, what, attempts=2, query="mode"
            )
        except (MgmtError, OsError):
            return BootloaderInfo(named.bootloader, None, None)
        return BootloaderInfo(named.bootloader, mode.mode, mode.no_downgrade)

    async def reset(self, *, wait_down_s: float = 10.0) -> None:
        """Reset the device and wait until it has gone down."""
        client = await self.client()
        with contextlib.suppress(LinkLost):  # it may be quicker to reset than to answer
            await client.request(system.ResetWriteRequest, system.ResetWriteResponse, "reset")
        self._client = None
        await self.reach.wait_reset(wait_down_s)
        await self.reach.close()

    # Image group

    async def states(self) -> list[SlotState]:
        """The images in the device's slots."""
        client = await self.client()
        response = await client.request(
            images.ImageStatesReadRequest, images.ImageStatesReadResponse, "image state", attempts=2
        )
        return _states(response)

    async def test(self, hash: bytes) -> list[SlotState]:
        """Mark the image with this hash to be tested at the next reset; the device's new state."""
        return await self._set_state("test image", hash, confirm=False)

    async def confirm(self, hash: bytes | None = None) -> list[SlotState]:
        """Confirm the image with this hash, or the one that runs; the device's new state."""
        return await self._set_state("confirm image", hash, confirm=True)

    async def _set_state(self, what: str, hash: bytes | None, *, confirm: bool) -> list[SlotState]:
        client = await self.client()
        fields = {"confirm": confirm} if hash is None else {"hash": hash, "confirm": confirm}
        response = await client.request(
            images.ImageStatesWriteRequest, images.ImageStatesWriteResponse, what, attempts=2, **fields
        )
        return _states(response)

    async def erase(self, slot: int | None = None) -> None:
        """Erase a slot (default: the secondary one)."""
        client = await self.client()
        fields = {} if slot is None else {"slot": slot}
        await client.request(
            images.ImageEraseRequest,
            images.ImageEraseResponse,
            "image erase",
            timeout_s=ERASE_TIMEOUT_S,
            **fields,
        )

    # Basic group (Zephyr's, 63)

    async def factory_reset(self) -> None:
        """Erase the device's storage partition, which is its factory reset; images are not touched.

        Source: Zephyr, subsys/mgmt/mcumgr/grp/zephyr_basic: group 63, command 0.
        """
        client = await self.client()
        await client.request(
            zephyr.EraseStorageRequest,
            zephyr.EraseStorageResponse,
            "erase storage",
            timeout_s=ERASE_TIMEOUT_S,
        )

    async def wait_alive(self, timeout_s: float) -> None:
        """Wait until the device answers SMP (after a reset, once it has swapped and booted).

        Raises DeviceError if it does not within `timeout_s`.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                await self.client(timeout_s=max(left, 1.0))
                await self.echo("hil")
                return
            except SmpResultError:
                return  # a refusal is an answer
            except DeviceError:  # not there, or it went again while it was being connected to
                await self.drop()
                if left <= 0:
                    raise
                await asyncio.sleep(_RETRY_PAUSE_S)


def _states(response: images.ImageStatesReadResponse) -> list[SlotState]:
    return [
        SlotState(
            image=entry.image or 0,
            slot=entry.slot,
            version=entry.version,
            hash=bytes(entry.hash or b""),
            bootable=bool(entry.bootable),
            pending=bool(entry.pending),
            confirmed=bool(entry.confirmed),
            active=bool(entry.active),
            permanent=bool(entry.permanent),
        )
        for entry in response.images
    ]
