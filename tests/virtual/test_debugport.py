"""The DP, the AHB-AP and the CTRL-AP against the rules of the Arm Debug Interface."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hil.virtual import debugport as dp


class Chip:
    """A few kilobytes of memory at 0x2000_0000 behind a debug port."""

    def __init__(self) -> None:
        self.powered = True
        self.power_cycles = 1
        self.locked = False
        self.erasing = False
        self.memory = bytearray(0x4000)
        self.calls: list[str] = []

    def _offset(self, address: int, length: int) -> int:
        offset = address - 0x2000_0000
        if not 0 <= offset <= len(self.memory) - length:
            raise dp.TargetBusError(f"0x{address:08x}")
        return offset

    def bus_read(self, address: int, size: int) -> int:
        offset = self._offset(address, size)
        return int.from_bytes(self.memory[offset : offset + size], "little")

    def bus_write(self, address: int, size: int, value: int) -> None:
        offset = self._offset(address, size)
        self.memory[offset : offset + size] = value.to_bytes(size, "little")

    def bus_read_block(self, address: int, words: int) -> Sequence[int]:
        return [self.bus_read(address + 4 * index, 4) for index in range(words)]

    def bus_write_block(self, address: int, values: Sequence[int]) -> None:
        for index, value in enumerate(values):
            self.bus_write(address + 4 * index, 4, value)

    def erase_all(self) -> None:
        self.calls.append("erase_all")

    def hold_reset(self, asserted: bool) -> None:
        self.calls.append(f"reset {asserted}")


@pytest.fixture
def chip() -> Chip:
    return Chip()


@pytest.fixture
def port(chip: Chip) -> dp.DebugPort:
    port = dp.DebugPort(chip)
    port.line_reset()
    port.write_dp(dp.DP_CTRL_STAT, dp.CTRL_CDBGPWRUPREQ | dp.CTRL_CSYSPWRUPREQ)
    return port


def select(port: dp.DebugPort, ap: int, register: int) -> int:
    port.write_dp(dp.DP_SELECT_RESEND, ap << 24 | register & 0xF0)
    return register & 0xC


def test_nothing_answers_before_a_line_reset_or_without_power(chip: Chip) -> None:
    port = dp.DebugPort(chip)
    with pytest.raises(dp.NoAcknowledge):
        port.read_dp(dp.DP_DPIDR_ABORT)
    port.line_reset()
    assert port.read_dp(dp.DP_DPIDR_ABORT) == 0x2BA01477
    chip.powered = False
    with pytest.raises(dp.NoAcknowledge, match="not powered"):
        port.read_dp(dp.DP_DPIDR_ABORT)


def test_a_power_cycle_resets_the_debug_port(chip: Chip, port: dp.DebugPort) -> None:
    chip.power_cycles += 1
    with pytest.raises(dp.NoAcknowledge, match="line needs a reset"):
        port.read_dp(dp.DP_CTRL_STAT)
    port.line_reset()
    assert port.read_dp(dp.DP_CTRL_STAT) == 0


def test_power_requests_are_acknowledged(port: dp.DebugPort) -> None:
    assert port.read_dp(dp.DP_CTRL_STAT) >> 28 == 0xF


def test_ap_access_without_debug_power_is_a_sticky_fault(chip: Chip) -> None:
    port = dp.DebugPort(chip)
    port.line_reset()
    with pytest.raises(dp.FaultAcknowledge):
        port.read_ap(dp.AP_CSW)


def test_bus_error_sticks_until_abort_clears_it(port: dp.DebugPort) -> None:
    register = select(port, dp.AHB_AP, dp.AP_TAR)
    port.write_ap(register, 0x6000_0000)
    with pytest.raises(dp.FaultAcknowledge, match="0x60000000"):
        port.read_ap(dp.AP_DRW)
    with pytest.raises(dp.FaultAcknowledge, match="sticky"):
        port.read_ap(dp.AP_CSW)
    with pytest.raises(dp.FaultAcknowledge, match="sticky"):
        port.read_dp(dp.DP_RDBUFF)
    assert port.read_dp(dp.DP_CTRL_STAT) & dp.CTRL_STICKYERR
    port.write_dp(dp.DP_DPIDR_ABORT, dp.ABORT_STKERRCLR)
    assert not port.read_dp(dp.DP_CTRL_STAT) & dp.CTRL_STICKYERR
    assert port.read_ap(dp.AP_TAR) == 0x6000_0000


def test_identification_registers(port: dp.DebugPort) -> None:
    assert port.read_ap(select(port, dp.AHB_AP, dp.AP_IDR)) == 0x2477_0011
    assert port.read_ap(select(port, dp.AHB_AP, dp.AP_BASE)) == 0xE00F_F003
    assert port.read_ap(select(port, dp.CTRL_AP, dp.AP_IDR)) == 0x1288_0000
    assert port.read_ap(select(port, 2, dp.AP_IDR)) == 0


def test_byte_lanes_and_single_increment(chip: Chip, port: dp.DebugPort) -> None:
    select(port, dp.AHB_AP, 0)
    port.write_ap(dp.AP_CSW, dp.CSW_INCREMENT_SINGLE | 0)
    port.write_ap(dp.AP_TAR, 0x2000_0001)
    port.write_ap(dp.AP_DRW, 0x0000_AA00)
    port.write_ap(dp.AP_DRW, 0x00BB_0000)
    assert chip.memory[:4] == b"\x00\xaa\xbb\x00"
    assert port.read_ap(dp.AP_TAR) == 0x2000_0003


def test_packed_transfers_fill_a_word(chip: Chip, port: dp.DebugPort) -> None:
    chip.memory[:4] = b"\x11\x22\x33\x44"
    select(port, dp.AHB_AP, 0)
    port.write_ap(dp.AP_CSW, dp.CSW_INCREMENT_PACKED | 1)
    port.write_ap(dp.AP_TAR, 0x2000_0000)
    assert port.read_ap(dp.AP_DRW) == 0x4433_2211


def test_an_unsupported_size_is_not_taken(port: dp.DebugPort) -> None:
    select(port, dp.AHB_AP, 0)
    port.write_ap(dp.AP_CSW, 1)
    port.write_ap(dp.AP_CSW, 3)
    assert port.read_ap(dp.AP_CSW) & dp.CSW_SIZE == 1


def test_blocks_agree_with_single_accesses_and_wrap_at_4_kb(chip: Chip, port: dp.DebugPort) -> None:
    select(port, dp.AHB_AP, 0)
    port.write_ap(dp.AP_CSW, dp.CSW_INCREMENT_SINGLE | 2)
    port.write_ap(dp.AP_TAR, 0x2000_0FF8)
    port.write_ap_block(dp.AP_DRW, [1, 2, 3, 4])
    assert [chip.bus_read(0x2000_0000 + offset, 4) for offset in (0xFF8, 0xFFC, 0, 4)] == [1, 2, 3, 4]
    port.write_ap(dp.AP_TAR, 0x2000_0FF8)
    assert port.read_ap_block(dp.AP_DRW, 4) == [1, 2, 3, 4]
    assert port.read_ap(dp.AP_TAR) == 0x2000_0008


def test_a_block_that_leaves_memory_faults(port: dp.DebugPort) -> None:
    select(port, dp.AHB_AP, 0)
    port.write_ap(dp.AP_CSW, dp.CSW_INCREMENT_SINGLE | 2)
    port.write_ap(dp.AP_TAR, 0x3000_0000)
    with pytest.raises(dp.FaultAcknowledge):
        port.write_ap_block(dp.AP_DRW, [1, 2])


def test_protection_closes_the_bus_but_not_the_ctrl_ap(chip: Chip, port: dp.DebugPort) -> None:
    chip.locked = True
    select(port, dp.AHB_AP, 0)
    assert not port.read_ap(dp.AP_CSW) & dp.CSW_DEVICE_ENABLED
    with pytest.raises(dp.FaultAcknowledge, match="protection"):
        port.read_ap(dp.AP_DRW)
    port.write_dp(dp.DP_DPIDR_ABORT, dp.ABORT_STKERRCLR)
    with pytest.raises(dp.FaultAcknowledge, match="protection"):
        port.read_ap_block(dp.AP_DRW, 4)
    port.write_dp(dp.DP_DPIDR_ABORT, dp.ABORT_STKERRCLR)
    register = select(port, dp.CTRL_AP, dp.CTRL_AP_APPROTECTSTATUS)
    assert port.read_ap(register) == 0
    chip.locked = False
    assert port.read_ap(register) == 1


def test_ctrl_ap_erases_once_and_resets_on_change(chip: Chip, port: dp.DebugPort) -> None:
    select(port, dp.CTRL_AP, 0)
    port.write_ap(dp.CTRL_AP_ERASEALL, 1)
    port.write_ap(dp.CTRL_AP_ERASEALL, 1)
    chip.erasing = True
    assert port.read_ap(dp.CTRL_AP_ERASEALLSTATUS) == 1
    port.write_ap(dp.CTRL_AP_RESET, 1)
    port.write_ap(dp.CTRL_AP_RESET, 1)
    port.write_ap(dp.CTRL_AP_RESET, 0)
    assert chip.calls == ["erase_all", "reset True", "reset False"]
