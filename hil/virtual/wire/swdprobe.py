"""pyOCD's probe class for the virtual kits; imported through `swd.py` only, once pyOCD itself is there.

It shows the kits of the benches open in this process, and, for pyOCD's own command line, one kit that the environment
variable HIL_KIT names: by the file that its flash lives in, or as `remote:HOST:PORT` where `hil serve` holds it open.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pyocd.board.board import Board
from pyocd.board.board_ids import BoardInfo
from pyocd.core import exceptions
from pyocd.core.plugin import Plugin
from pyocd.probe.debug_probe import DebugProbe
from pyocd.probe.tcp_client_probe import TCPClientProbe

from hil.errors import HilError, InputError
from hil.virtual import registry
from hil.virtual.debugport import FaultAcknowledge, NoAcknowledge
from hil.virtual.swdlink import SwdLink
from hil.virtual.wire import filekit

ENVIRONMENT = "HIL_KIT"
REMOTE = "remote:"
CONNECT_S = 2.0
SUFFIX = "/swd"
LINE_RESET_CLOCKS = 50

F = TypeVar("F", bound=Callable[..., Any])


def _translated(method: F) -> F:
    """Raise pyOCD's exceptions where the wire raised its own."""

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except FaultAcknowledge as error:
            raise exceptions.TransferFaultError(str(error)) from None
        except NoAcknowledge as error:
            raise exceptions.TransferError(str(error)) from None
        except HilError as error:
            raise exceptions.ProbeError(str(error)) from None

    return wrapper  # type: ignore[return-value]


class HilProbe(DebugProbe):  # type: ignore[misc]  # pyOCD is not typed
    """A debug probe on one virtual kit."""

    @classmethod
    @_translated
    def get_all_connected_probes(
        cls, unique_id: str | None = None, is_explicit: bool = False
    ) -> list[DebugProbe]:
        """The kits of open benches, then the one of HIL_KIT: in a file, or held open by `hil serve`."""
        probes: list[DebugProbe] = [cls(name.removesuffix(SUFFIX)) for name in registry.names(SwdLink)]
        path = _file()
        if path is not None:
            filekit.check(path)
            probes.append(cls(filekit.unique_id(path), path))
        served = _served()
        return probes if served is None else [*probes, served]

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> DebugProbe | None:
        """The kit of exactly this name, or None."""
        return next((probe for probe in cls.get_all_connected_probes() if probe.unique_id == unique_id), None)

    def __init__(self, name: str, path: Path | None = None) -> None:
        super().__init__()
        self._name = name
        self._path = path
        self._kit: filekit.FileKit | None = None
        self._link: SwdLink | None = None
        self._protocol: DebugProbe.Protocol | None = None
        self._ones = 0

    @property
    def vendor_name(self) -> str:
        return "hil"

    @property
    def product_name(self) -> str:
        return "virtual nRF52840 kit"

    @property
    def description(self) -> str:
        return f"{self.vendor_name} {self.product_name}"

    @property
    def supported_wire_protocols(self) -> list[DebugProbe.Protocol]:
        return [DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD]

    @property
    def unique_id(self) -> str:
        return self._name

    @property
    def wire_protocol(self) -> DebugProbe.Protocol | None:
        return self._protocol

    @property
    def is_open(self) -> bool:
        return self._link is not None

    @property
    def capabilities(self) -> set[DebugProbe.Capability]:
        # AP selection by the probe makes an access one step, so that several clients of `pyocd server` do not mix.
        return {
            DebugProbe.Capability.SWJ_SEQUENCE,
            DebugProbe.Capability.BANKED_DP_REGISTERS,
            DebugProbe.Capability.MANAGED_AP_SELECTION,
            DebugProbe.Capability.MANAGED_DPBANKSEL,
        }

    @property
    def associated_board_info(self) -> BoardInfo:
        return BoardInfo(name="virtual nRF52840 DK", target="nrf52840")

    def create_associated_board(self) -> Board:
        """The kit is a whole board."""
        return Board(self.session, board_info=self.associated_board_info)

    # ---- Opening ----

    @_translated
    def open(self) -> None:
        """Find the bench's kit, or power up the one in the file."""
        if self._path is not None:
            self._kit = filekit.FileKit(self._path)
            self._link = self._kit.link
        else:
            _, self._link = registry.find(self._name + SUFFIX)
        if self.session is not None:
            # Waits of the host for the chip pass in the chip's time, so sleeping on the wall clock is of no use.
            for option in ("reset.hold_time", "reset.post_delay"):
                self.session.options.set(option, 0.0)

    @_translated
    def close(self) -> None:
        """Let go of the kit; one that lives in a file is written back."""
        kit, self._kit, self._link = self._kit, None, None
        if kit is not None:
            kit.close()

    def connect(self, protocol: DebugProbe.Protocol | None = None) -> None:
        self._protocol = DebugProbe.Protocol.SWD
        self._ones = 0

    def disconnect(self) -> None:
        self._protocol = None

    def set_clock(self, frequency: float) -> None:
        self._wire.set_clock(frequency)

    @_translated
    def swj_sequence(self, length: int, bits: int) -> None:
        """Fifty ones in a row or more are a line reset; the chip has no JTAG, so nothing else matters."""
        for index in range(length):
            self._ones = self._ones + 1 if bits >> index & 1 else 0
            if self._ones == LINE_RESET_CLOCKS:
                self._wire.line_reset()

    # ---- Reset pin ----

    def reset(self) -> None:
        self.assert_reset(True)
        self.assert_reset(False)

    @_translated
    def assert_reset(self, asserted: bool) -> None:
        self._wire.drive_reset_pin(asserted)

    def is_reset_asserted(self) -> bool:
        return self._wire.reset_asserted

    # ---- Transfers ----

    @_translated
    def read_dp(self, addr: int, now: bool = True) -> Any:
        return self._answer(self._wire.read_dp(addr), now)

    @_translated
    def write_dp(self, addr: int, data: int) -> None:
        self._wire.write_dp(addr, data & 0xFFFF_FFFF)

    @_translated
    def read_ap(self, addr: int, now: bool = True) -> Any:
        return self._answer(self._wire.read_ap(addr), now)

    @_translated
    def write_ap(self, addr: int, data: int) -> None:
        self._wire.write_ap(addr, data & 0xFFFF_FFFF)

    @_translated
    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> Any:
        return self._answer(self._wire.read_ap_block(addr, count), now)

    @_translated
    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        self._wire.write_ap_block(addr, values)

    @_translated
    def flush(self) -> None:
        self._wire.wait_for_answer()

    def _answer(self, value: Any, now: bool) -> Any:
        """The value, or a function that returns it: the host waits for the probe only when it looks."""
        wire = self._wire

        def collect() -> Any:
            wire.wait_for_answer()
            return value

        return collect() if now else collect

    @property
    def _wire(self) -> SwdLink:
        if self._link is None:
            raise exceptions.ProbeError(f"probe {self._name} is not open")
        return self._link


class ServedProbe(TCPClientProbe):  # type: ignore[misc]  # pyOCD is not typed
    """pyOCD's own client of a probe server, which says without being open what it is and what hangs on it."""

    @property
    def vendor_name(self) -> str:
        return "hil"

    @property
    def product_name(self) -> str:
        return "virtual nRF52840 kit"

    @property
    def description(self) -> str:
        return f"{self.vendor_name} {self.product_name}"

    @property
    def associated_board_info(self) -> BoardInfo:
        return BoardInfo(name="virtual nRF52840 DK", target="nrf52840")

    def create_associated_board(self) -> Board:
        """The kit is a whole board."""
        return Board(self.session, board_info=self.associated_board_info)


def _file() -> Path | None:
    name = os.environ.get(ENVIRONMENT, "")
    return Path(name) if name and not name.startswith(REMOTE) else None


def _served() -> DebugProbe | None:
    """The kit that another process holds open, if HIL_KIT names one and somebody listens there."""
    name = os.environ.get(ENVIRONMENT, "")
    if not name.startswith(REMOTE):
        return None
    host, _, port = name.removeprefix(REMOTE).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise InputError(f"{ENVIRONMENT}={name}: expected {REMOTE}HOST:PORT, as hil serve prints it")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except OSError:
        return None
    return ServedProbe(f"{host}:{port}")


class ProbePlugin(Plugin):  # type: ignore[misc]  # pyOCD is not typed
    """Tells pyOCD of the class above."""

    def load(self) -> type[HilProbe]:
        """The probe class."""
        return HilProbe

    @property
    def name(self) -> str:
        return "hil"

    @property
    def description(self) -> str:
        return "Virtual nRF52840 kits of the hil framework"
