"""Updating a device from a test: synchronous, on the rig's event loop.

transfer = update.start(image)
transfer.run_until(fraction=0.5)
transfer.drop_link()
outcome = update.resume(transfer)
assert outcome.resent_bytes <= transfer.window_bytes
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from hil.dfu.errors import LinkLost, SmpTimeout
from hil.dfu.image import UpdateImage
from hil.dfu.parameters import Parameters
from hil.dfu.reach import Reach
from hil.dfu.session import BootloaderInfo, Session, SlotState
from hil.dfu.transfer import Outcome, ProgressCallback, Upload
from hil.errors import DeviceError, InputError

T = TypeVar("T")

BOOT_TIMEOUT_S = 120.0
"""From reset to answering again: a swap of 460 KiB takes three times its erase and write time, 45 s."""
CONFIRM_TIMEOUT_S = 30.0
_POLL_S = 0.5


class Run(Protocol):
    """Runs a coroutine on the rig's loop and returns its result."""

    def __call__(self, main: Coroutine[Any, Any, T], /) -> T: ...


class UpdateNotTaken(DeviceError):
    """After the reset the device does not run the new image, or has not confirmed it."""


@dataclass(frozen=True)
class UpdateOutcome:
    """A whole update: the upload, the time from reset to answering again, and the state it ended in."""

    upload: Outcome
    boot_s: float
    """From the reset request to the first answer, swap included."""
    states: list[SlotState]


class Transfer:
    """One image on its way to the device; made by `Update.start`."""

    def __init__(self, run: Run, session: Session, upload: Upload) -> None:
        self._run = run
        self._session = session
        self._upload = upload

    @property
    def image(self) -> UpdateImage:
        return self._upload.image

    @property
    def offset(self) -> int:
        """Bytes the device has confirmed."""
        return self._upload.confirmed

    @property
    def total(self) -> int:
        return self._upload.total

    @property
    def window_bytes(self) -> int:
        """Image bytes in flight at most: what a drop can cost."""
        return self._upload.window_bytes

    @property
    def is_complete(self) -> bool:
        return self._upload.is_complete

    def run_until(self, *, fraction: float | None = None, offset: int | None = None) -> None:
        """Send until the device has confirmed this fraction (0 to 1) or offset; a window stays in flight."""
        if (fraction is None) == (offset is None):
            raise InputError("run_until: give either a fraction or an offset")
        if fraction is not None and not 0 <= fraction <= 1:
            raise InputError(f"run_until: fraction {fraction} is not between 0 and 1")
        until = round(fraction * self.total) if fraction is not None else offset
        self._run(self._upload.advance(until))

    def run(self) -> Outcome:
        """Send the rest."""
        return self._run(self._finish())

    def drop_link(self) -> None:
        """Lose the link, with requests in flight. `Update.resume` goes on."""
        self._run(self._session.drop())

    async def _finish(self) -> Outcome:
        await self._upload.advance()
        return self._upload.outcome()


class Update:
    """Updates one device over one way to reach it (`hil.dfu.reach`)."""

    def __init__(
        self, run: Run, reach: Reach, *, window: int | None = None, message_limit: int | None = None
    ) -> None:
        """`window` is the number of requests in flight, `message_limit` the longest in bytes; None leaves them to what
        the device tells of its buffers, and the link of its speed.
        """
        self._run = run
        self.session = Session(reach)
        """The asynchronous core, for what this facade does not offer."""
        self._window = window
        self._message_limit = message_limit

    # Transfers

    def start(
        self,
        image: UpdateImage,
        *,
        upgrade: bool = False,
        image_number: int = 0,
        on_progress: ProgressCallback | None = None,
    ) -> Transfer:
        """Announce an image to the device; the data follows with the transfer's `run`.

        `upgrade` asks the device to refuse what is not newer. Raises the device's refusal.
        """
        upload = Upload(
            image,
            image_number=image_number,
            upgrade=upgrade,
            window=self._window,
            message_limit=self._message_limit,
            on_progress=on_progress,
        )
        self._run(self._begin(upload))
        return Transfer(self._run, self.session, upload)

    def resume(self, transfer: Transfer) -> Outcome:
        """Reconnect, ask the device for its offset, and send the rest."""
        return self._run(self._resume(transfer._upload))

    def take_up(self, transfer: Transfer) -> int:
        """Reconnect and ask the device for its offset, without sending more; returns the offset."""
        self._run(self._begin(transfer._upload))
        return transfer.offset

    def run(
        self,
        image: UpdateImage,
        *,
        upgrade: bool = False,
        on_progress: ProgressCallback | None = None,
        boot_timeout_s: float = BOOT_TIMEOUT_S,
        confirm_timeout_s: float = CONFIRM_TIMEOUT_S,
    ) -> UpdateOutcome:
        """A whole update: upload, mark for test, reset, wait until the device runs and has confirmed it.

        Raises UpdateNotTaken when it comes back with another image, or does not confirm in time.
        """
        return self._run(self._whole_update(image, upgrade, on_progress, boot_timeout_s, confirm_timeout_s))

    def activate(
        self,
        image: UpdateImage,
        *,
        boot_timeout_s: float = BOOT_TIMEOUT_S,
        confirm_timeout_s: float = CONFIRM_TIMEOUT_S,
    ) -> list[SlotState]:
        """The second half of `run`, for an image that is uploaded: test, reset, wait for confirmation."""
        return self._run(self._activate(image, boot_timeout_s, confirm_timeout_s))[1]

    def wait_alive(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Wait until the device answers again, after a reset by whatever means."""
        self._run(self._reconnect(timeout_s))

    def wait_confirmed(self, image: UpdateImage, timeout_s: float = CONFIRM_TIMEOUT_S) -> list[SlotState]:
        """Wait until the device runs this image and has confirmed it. Raises UpdateNotTaken."""

        async def wait() -> list[SlotState]:
            return await self._wait_confirmed(image, asyncio.get_running_loop().time() + timeout_s)

        return self._run(wait())

    # Commands

    def states(self) -> list[SlotState]:
        """The images in the device's slots."""
        return self._run(self.session.states())

    def test(self, hash: bytes) -> list[SlotState]:
        """Mark the image with this hash for test."""
        return self._run(self.session.test(hash))

    def confirm(self, hash: bytes | None = None) -> list[SlotState]:
        """Confirm the image with this hash, or the running one."""
        return self._run(self.session.confirm(hash))

    def erase(self, slot: int | None = None) -> None:
        """Erase a slot (default: the secondary one)."""
        self._run(self.session.erase(slot))

    def factory_reset(self) -> None:
        """Erase the device's settings by SMP's "erase storage"."""
        self._run(self.session.factory_reset())

    def reset(self) -> None:
        """Reset the device over SMP and wait until it is down."""
        self._run(self.session.reset())

    def echo(self, text: str) -> str:
        """Have the device send `text` back."""
        return self._run(self.session.echo(text))

    def parameters(self) -> Parameters | None:
        """The device's SMP buffers."""
        return self._run(self.session.parameters())

    def bootloader_info(self) -> BootloaderInfo:
        """What the bootloader is."""
        return self._run(self.session.bootloader_info())

    def close(self) -> None:
        """Disconnect."""
        self._run(self.session.close())

    # For those who are in a coroutine already

    async def begin(self, image: UpdateImage) -> None:
        """Announce an image: the first request of its upload."""
        await self._begin(Upload(image, window=self._window, message_limit=self._message_limit))

    # Inside

    async def _begin(self, upload: Upload) -> None:
        client = await self.session.client()
        parameters = await self.session.parameters()
        await upload.begin(client, parameters)

    async def _resume(self, upload: Upload) -> Outcome:
        await self._begin(upload)
        await upload.advance()
        return upload.outcome()

    async def _whole_update(
        self,
        image: UpdateImage,
        upgrade: bool,
        on_progress: ProgressCallback | None,
        boot_timeout_s: float,
        confirm_timeout_s: float,
    ) -> UpdateOutcome:
        upload = Upload(image, upgrade=upgrade, window=self._window, on_progress=on_progress)
        uploaded = await self._resume(upload)
        boot_s, states = await self._activate(image, boot_timeout_s, confirm_timeout_s)
        return UpdateOutcome(uploaded, boot_s, states)

    async def _activate(
        self, image: UpdateImage, boot_timeout_s: float, confirm_timeout_s: float
    ) -> tuple[float, list[SlotState]]:
        loop = asyncio.get_running_loop()
        await self.session.test(image.hash)
        before = loop.time()
        await self.session.reset()
        await self.session.wait_alive(boot_timeout_s)
        boot_s = loop.time() - before
        return boot_s, await self._wait_confirmed(image, loop.time() + confirm_timeout_s)

    async def _wait_confirmed(self, image: UpdateImage, deadline: float) -> list[SlotState]:
        while True:
            try:
                states = await self.session.states()
            except (
                LinkLost,
                SmpTimeout,
            ):  # it reset again, or hangs until its watchdog bites; what it comes back with decides
                await self.session.wait_alive(BOOT_TIMEOUT_S)
                continue
            running = next((state for state in states if state.active), None)
            if running is None or running.hash != image.hash:
                raise UpdateNotTaken(
                    f"after the update to {image.version} the device runs "
                    f"{running.version if running else 'nothing it names'}: {_listed(states)}"
                )
            if running.confirmed:
                return states
            if asyncio.get_running_loop().time() >= deadline:
                raise UpdateNotTaken(
                    f"the device runs {image.version} but does not confirm it: {_listed(states)}"
                )
            await asyncio.sleep(_POLL_S)

    async def _reconnect(self, timeout_s: float) -> None:
        await self.session.drop()
        await self.session.wait_alive(timeout_s)


def _listed(states: list[SlotState]) -> str:
    return "; ".join(str(state) for state in states) or "no image in any slot"
