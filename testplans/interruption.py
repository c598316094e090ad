"""An update taken to one of its stages, cut off there, and finished by somebody who knows nothing but the image."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from hil.case import measured, stage
from hil.dfu.errors import LinkLost, SmpError, SmpResultError
from hil.dfu.session import SlotState
from hil.dfu.update import Transfer, Update
from hil.errors import DeviceError
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.rig.rig import Rig

Stage = Literal["metadata", "upload", "end of upload", "test", "reset", "swap", "first boot", "confirm"]
STAGES: tuple[Stage, ...] = (
    "metadata",
    "upload",
    "end of upload",
    "test",
    "reset",
    "swap",
    "first boot",
    "confirm",
)

BOOT_TIMEOUT_S = 90.0
RECOVERY_LIMIT_S = 60.0
"""From the end of the fault until the device answers again with a whole image: a swap of a full slot takes 45 s."""

# Where a device tells nothing on a console, its stages after the reset are reached by time.
_AFTER_RESET_S = {"swap": 1.5, "first boot": 4.0, "confirm": 4.5}
_CUES = {"swap": "swap starts", "first boot": "starts, unconfirmed", "confirm": "Bluetooth controller ready"}


class Interrupted:
    """One update that is cut off. `fault` is what happens, at once; it may take the link, the host or the power."""

    def __init__(self, dut: Device, image: SignedImage, base: SignedImage) -> None:
        self.dut = dut
        self.rig: Rig = dut.rig
        self.image = image
        self.base = base
        self.update = Update(self.rig.run, dut.air())
        self._before = self._protected()

    def to(self, where: Stage, fault: Callable[[], None]) -> None:
        """Take the update to its stage and let the fault happen there. The link may be gone afterwards."""
        with stage(f"to {where}"):
            if where == "metadata":
                self._in_flight(self._announce(), 0.06, fault)
                return
            transfer = self.update.start(self.image)
            if where == "upload":
                self._mid_transfer(transfer, round(0.5 * transfer.total), fault)
                return
            if where == "end of upload":
                self._mid_transfer(transfer, transfer.total - 1, fault)
                return
            transfer.run()
            if where == "test":
                self._in_flight(self.update.session.test(self.image.hash), 0.02, fault)
                return
            self.update.test(self.image.hash)
            if where == "reset":
                self._in_flight(self._ask_to_reset(), 0.05, fault)
                return
            if self._has_log:
                self.rig.console.skip()
            self.update.reset()
            if self._has_log:
                self.rig.console.wait_for(_CUES[where], BOOT_TIMEOUT_S)
            else:
                self.rig.sleep(_AFTER_RESET_S[where])
            with contextlib.suppress(SmpError, DeviceError):
                fault()

    def finish(self, *, expect: SignedImage | None = None) -> None:
        """Judge the device, then finish the update as a new program would that has only the image's file.

        `expect` is what must run before the new program does anything; None allows old and new, each of them whole.
        """
        dut, rig = self.dut, self.rig
        # The program that was cut off is gone, and so is its link if it still had one: a device has one at a time.
        with contextlib.suppress(SmpError, DeviceError):
            rig.run(self.update.session.drop())
        began = rig.clock()
        with stage("recover"):
            fresh = Update(rig.run, dut.air())
            fresh.wait_alive(BOOT_TIMEOUT_S)
            took = rig.clock() - began
            measured("recovery", round(took, 3), "s")
            assert took <= RECOVERY_LIMIT_S, f"the device was back only after {took:.1f} s"
            whole = [each for each in (self.base, self.image) if dut.holds(each)]
            assert whole, "the device runs neither the old nor the new image, whole"
            if expect is not None:
                assert expect in whole, f"the device should run {expect.version}, and runs {whole[0].version}"
            self._unchanged()
        with stage("finish"):
            if any(state.pending and state.hash == self.image.hash for state in fresh.states()):
                fresh.reset()  # it was asked for before the fault: what is missing is the restart
                fresh.wait_alive(BOOT_TIMEOUT_S)
            if self._running(fresh).hash != self.image.hash:
                fresh.run(self.image, boot_timeout_s=BOOT_TIMEOUT_S)
            else:
                self._wait_confirmed(fresh)
            fresh.close()
            assert dut.holds(self.image), "the update could not be finished"
            self._unchanged()

    # ---- Stages ----

    def _mid_transfer(self, transfer: Transfer, offset: int, fault: Callable[[], None]) -> None:
        transfer.run_until(offset=offset)
        with contextlib.suppress(SmpError, DeviceError):
            fault()

    async def _announce(self) -> None:
        await self.update.session.client()
        await self.update.begin(self.image)

    async def _ask_to_reset(self) -> None:
        await self.update.session.reset()

    def _in_flight(
        self, request: Coroutine[Any, Any, Any], seconds: float, fault: Callable[[], None]
    ) -> None:
        """Let the fault happen while a request is under way, this long after it was begun."""
        rig = self.rig
        connected = self.update.session.client()

        async def begin() -> asyncio.Task[Any]:
            await connected  # so that the time counts from the request, and not from the scan for the device
            return asyncio.ensure_future(request)

        task = rig.run(begin())
        rig.sleep(seconds)
        with contextlib.suppress(SmpError, DeviceError):
            fault()

        async def end() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, SmpError, DeviceError, SmpResultError, LinkLost):
                await task

        rig.run(end())

    # ---- Judging ----

    @property
    def _has_log(self) -> bool:
        return "boot-log" in self.dut.file.supports and "console" in self.rig.capabilities

    def _protected(self) -> dict[str, bytes]:
        """What no update may change: bootloader and provisioning page, where a probe can read them."""
        if "probe" not in self.rig.capabilities:
            return {}
        named = {"bootloader": self.dut.file.bootloader, "provisioning": self.dut.file.provisioning}
        return {
            name: self.dut.read_flash(region.start, region.size)
            for name, region in named.items()
            if region is not None
        }

    def _unchanged(self) -> None:
        for name, content in self._protected().items():
            assert content == self._before[name], f"the {name} was changed"

    def _running(self, update: Update) -> SlotState:
        running = next((state for state in update.states() if state.active), None)
        assert running is not None, "the device names no running image"
        return running

    def _wait_confirmed(self, update: Update) -> None:
        for _ in range(60):
            running = self._running(update)
            assert running.hash == self.image.hash, f"the update was taken back: {running}"
            if running.confirmed:
                return
            self.rig.sleep(0.5)
        raise AssertionError("the new image does not confirm itself")
