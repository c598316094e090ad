"""pynrfjprog's LowLevel module as far as its header says what a call leaves behind (nrfjprogdll.h, "@post").

It is a stand-in that we made from that header, no recording of hardware. It keeps each call and its answer.
"""

from __future__ import annotations

import enum
from typing import Any

from tests.probe.chip import Chip


class Error(enum.IntEnum):
    """Of pynrfjprog 10.24.2, APIError.py, those that are used here."""

    INVALID_OPERATION = -2
    EMULATOR_NOT_CONNECTED = -10
    NO_EMULATOR_CONNECTED = -13
    NOT_AVAILABLE_BECAUSE_PROTECTION = -90
    JLINKARM_DLL_NOT_FOUND = -100
    JLINKARM_DLL_ERROR = -102
    RAM_IS_OFF_ERROR = -161


class APIError(Exception):
    """As pynrfjprog raises it."""

    def __init__(self, err_code: int) -> None:
        self.err_code = err_code
        self.error_enum = Error(err_code)
        super().__init__(f"An error was reported by NRFJPROG DLL: {err_code} {self.error_enum.name}.")


class Library:
    """The module. `serials` are the J-Links that are connected; `fails` names a call that fails, and how."""

    APIError = APIError

    def __init__(
        self, serials: tuple[int, ...] = (683298616,), fails: dict[str, Error] | None = None
    ) -> None:
        self.chip = Chip()
        self.calls: list[dict[str, Any]] = []
        self.serials = serials
        self.fails = fails or {}
        self.up = {0: b""}
        self.rtt_started = False
        self.rtt_block: int | None = None
        self.down = b""

    def API(self, family: str) -> _Api:
        self.calls.append({"call": "API", "arguments": [family]})
        return _Api(self)


_HALTS = {
    "read",
    "write",
    "read_u32",
    "write_u32",
    "erase_page",
    "erase_all",
    "recover",
    "read_cpu_register",
    "halt",
}
"""After which, by the header, the core is halted."""
_ON_LOCKED = {
    *(
        "open",
        "close",
        "enum_emu_snr",
        "connect_to_emu_with_snr",
        "disconnect_from_emu",
        "is_connected_to_device",
    ),
    *("recover", "readback_status", "pin_reset", "debug_reset"),
}


class _Api:
    def __init__(self, library: Library) -> None:
        self._library = library
        self._chip = library.chip

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        does = getattr(self, f"_do_{name}")

        def call(*arguments: Any) -> Any:
            entry: dict[str, Any] = {"call": name, "arguments": list(arguments)}
            self._library.calls.append(entry)
            if name in self._library.fails:
                entry["raises"] = self._library.fails[name].name
                raise APIError(self._library.fails[name])
            if self._chip.locked and name not in _ON_LOCKED:
                entry["raises"] = Error.NOT_AVAILABLE_BECAUSE_PROTECTION.name
                raise APIError(Error.NOT_AVAILABLE_BECAUSE_PROTECTION)
            if name in _HALTS:
                self._chip.running = False
            entry["returns"] = answer = does(*arguments)
            return answer

        return call

    def _do_open(self) -> None: ...

    def _do_close(self) -> None: ...

    def _do_enum_emu_snr(self) -> list[int]:
        return list(self._library.serials)

    def _do_connect_to_emu_with_snr(self, serial_number: int, jlink_speed_khz: int) -> None:
        if serial_number not in self._library.serials:
            raise APIError(Error.EMULATOR_NOT_CONNECTED)

    def _do_read_connected_emu_fwstr(self) -> str:
        return "J-Link OB-SAM3U128-V2-NordicSemi compiled Jan 21 2021 17:30:51"

    def _do_read_connected_emu_snr(self) -> int:
        return self._library.serials[0]

    def _do_is_connected_to_device(self) -> bool:
        return True

    def _do_disconnect_from_emu(self) -> None: ...

    def _do_readback_status(self) -> str:
        return "ALL" if self._chip.locked else "NONE"

    def _do_read(self, addr: int, data_len: int) -> list[int]:
        return list(self._chip.read(addr, data_len))

    def _do_read_u32(self, addr: int) -> int:
        return int.from_bytes(self._chip.read(addr, 4), "little")

    def _do_write(self, addr: int, data: list[int], control: bool) -> None:
        self._chip.write(addr, bytes(data), controlled=control)

    def _do_write_u32(self, addr: int, data: int, control: bool) -> None:
        self._chip.write(addr, data.to_bytes(4, "little"), controlled=control)

    def _do_erase_page(self, addr: int) -> None:
        self._chip.erase(addr)

    def _do_erase_all(self) -> None:
        self._chip.erase_all()

    def _do_recover(self) -> None:
        self._chip.recover()

    def _do_sys_reset(self) -> None:
        self._chip.reset(running=False)

    def _do_pin_reset(self) -> None:
        self._chip.reset(running=True)

    def _do_debug_reset(self) -> None:
        self._chip.reset(running=True)

    def _do_halt(self) -> None: ...

    def _do_go(self) -> None:
        self._chip.running = True

    def _do_is_halted(self) -> bool:
        return not self._chip.running

    def _do_read_cpu_register(self, register_name: str) -> int:
        number = {"SP": 13, "LR": 14, "PC": 15, "XPSR": 16}.get(register_name)
        return self._chip.registers[int(register_name[1:]) if number is None else number]

    def _do_is_rtt_started(self) -> bool:
        return self._library.rtt_started

    def _do_rtt_set_control_block_address(self, addr: int) -> None:
        self._library.rtt_block = addr

    def _do_rtt_start(self) -> None:
        if self._library.rtt_started:
            raise APIError(Error.INVALID_OPERATION)
        self._library.rtt_started = True

    def _do_rtt_stop(self) -> None:
        self._library.rtt_started = False

    def _do_rtt_is_control_block_found(self) -> bool:
        return bool(self._library.up)

    def _do_rtt_read(self, channel_index: int, length: int, encoding: None) -> bytearray:
        data = self._library.up.get(channel_index, b"")
        self._library.up[channel_index] = data[length:]
        return bytearray(data[:length])

    def _do_rtt_write(self, channel_index: int, msg: list[int], encoding: None) -> int:
        self._library.down += bytes(msg)
        return len(msg)
