from __future__ import annotations

import pytest

from hil.virtual.debugport import TargetBusError
from hil.virtual.kernel import TICKS_PER_MS
from hil.virtual.soc.peripheral import ResetCause
from tests.virtual.soc.board import ACL, NVMC, POWER, Board

PAGE = 0x3000


def _fill(board: Board) -> None:
    board.soc.memory.write(PAGE, bytes(4096))


def test_page_erase_takes_85_ms_and_counts_as_an_operation() -> None:
    board = Board()
    _fill(board)
    board.set(NVMC, r504=2, r508=PAGE)
    board.run(85 * TICKS_PER_MS - 1)
    assert board.read(NVMC + 0x400) == 0
    assert board.read(PAGE) == 0
    board.run(1)
    assert board.read(NVMC + 0x400) == 1
    assert board.soc.memory.read(PAGE, 4096) == b"\xff" * 4096
    assert board.kit.faults.operations == 1


def test_erase_needs_erase_enable() -> None:
    board = Board()
    _fill(board)
    board.set(NVMC, r504=1, r508=PAGE)
    board.run(100 * TICKS_PER_MS)
    assert board.read(PAGE) == 0


def test_acl_blocks_erase_write_and_erase_all_until_reset() -> None:
    board = Board()
    board.set(ACL, r800=PAGE, r804=0x1000, r808=2, r504=2)
    for command, value in ((0x508, PAGE), (0x518, PAGE), (0x50C, 1)):
        with pytest.raises(TargetBusError):
            board.write(NVMC + command, value)
    board.set(ACL, r804=0x2000, r808=0)  # written once only
    assert board.read(ACL + 0x804) == 0x1000
    board.set(NVMC, r504=1)
    with pytest.raises(TargetBusError):
        board.write(PAGE, 0)
    board.soc.debug.hold_reset(True)
    board.soc.debug.hold_reset(False)
    board.set(NVMC, r504=1)
    board.write(PAGE, 0)
    assert board.read(PAGE) == 0


def test_acl_read_protection_hides_a_page() -> None:
    board = Board()
    board.set(ACL, r800=PAGE, r804=0x1000, r808=4)
    with pytest.raises(TargetBusError):
        board.read(PAGE)


@pytest.mark.parametrize(
    ("start", "size"),
    [(PAGE + 4, 0x1000), (PAGE, 0x1800), (PAGE, 0), (0x0, 0x8_1000)],
    ids=["inside a page", "not whole pages", "nothing", "over 512 KiB"],
)
def test_acl_protects_nothing_with_a_region_that_is_not_valid(start: int, size: int) -> None:
    board = Board()
    board.set(ACL, r800=start, r804=size, r808=6)
    board.set(NVMC, r504=1)
    board.write(PAGE, 0)
    assert board.read(PAGE) == 0


def test_acl_protects_up_to_512_kib() -> None:
    board = Board()
    board.set(ACL, r800=0, r804=0x8_0000, r808=2)
    board.set(NVMC, r504=1)
    with pytest.raises(TargetBusError):
        board.write(0x7_FFFC, 0)
    board.write(0x8_0000, 0)
    assert board.read(0x8_0000) == 0


def test_uicr_is_not_erased_while_the_access_port_is_protected() -> None:
    board = Board()
    board.set(NVMC, r504=1)
    board.write(0x1000_1080, 0x1234_5678)
    board.write(0x1000_1208, 0xFFFF_FF00)
    board.soc.reset(ResetCause.SOFT)
    board.set(NVMC, r504=2, r514=1)
    board.run(100 * TICKS_PER_MS)
    assert board.read(0x1000_1080) == 0x1234_5678
    board.soc.debug.erase_all()
    board.run(200 * TICKS_PER_MS)
    board.set(NVMC, r504=1)
    board.write(0x1000_1080, 0x1234_5678)
    board.set(NVMC, r504=2, r514=1)
    board.run(100 * TICKS_PER_MS)
    assert board.read(0x1000_1080) == 0xFFFF_FFFF


def test_power_cut_half_way_leaves_a_half_erased_page_that_depends_on_the_seed() -> None:
    contents = []
    for seed in (1, 1, 2):
        board = Board(seed=seed)
        _fill(board)
        board.kit.faults.cut_at_operation(0, "during", 0.5)
        board.set(NVMC, r504=2, r508=PAGE)
        board.run(100 * TICKS_PER_MS)
        assert not board.soc.powered
        content = board.soc.memory.read(PAGE, 4096)
        ones = int.from_bytes(content, "little").bit_count()
        assert 0.4 < ones / 32768 < 0.6
        assert board.soc.nvmc.unstable_bits > 0
        contents.append(content)
        board.kit.faults.restore_power()
        board.run(10 * TICKS_PER_MS)
        assert board.soc.powered
        assert board.soc.memory.read(PAGE, 4096) != content
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize(("phase", "erased"), [("before", False), ("after", True)])
def test_power_cut_before_or_after_an_operation_leaves_it_undone_or_done(phase: str, erased: bool) -> None:
    board = Board()
    _fill(board)
    board.kit.faults.cut_at_operation(0, phase)  # type: ignore[arg-type]
    board.set(NVMC, r504=2, r508=PAGE)
    board.run(100 * TICKS_PER_MS)
    assert not board.soc.powered
    assert board.soc.memory.read(PAGE, 4096) == (b"\xff" if erased else b"\x00") * 4096


def test_partial_erases_add_up_to_an_erase() -> None:
    board = Board()
    _fill(board)
    board.set(NVMC, r504=2)
    for step in range(9):
        assert (board.soc.memory.read(PAGE, 4096) == b"\xff" * 4096) is False, step
        board.set(NVMC, r518=PAGE)
        board.run(10 * TICKS_PER_MS)
    assert board.soc.memory.read(PAGE, 4096) == b"\xff" * 4096


def test_operations_are_prevented_below_the_pof_threshold() -> None:
    board = Board(without_anomalies=frozenset({242}))
    _fill(board)
    board.set(POWER, r510=1 | 0xE << 1)  # 2.7 V
    board.kit.rail.set_voltage(2.6)
    board.run(TICKS_PER_MS)
    assert board.read(POWER + 0x108) == 1
    board.set(NVMC, r504=2, r508=PAGE)
    board.run(100 * TICKS_PER_MS)
    assert board.read(PAGE) == 0
    assert board.kit.faults.operations == 0
    board.set(POWER, r510=0)
    board.set(NVMC, r508=PAGE)
    board.run(100 * TICKS_PER_MS)
    assert board.read(PAGE) == 0xFFFF_FFFF


def test_anomaly_242_hangs_the_cpu_until_reset() -> None:
    board = Board()
    board.set(POWER, r510=1 | 0xE << 1)
    board.kit.rail.set_voltage(2.6)
    board.run(TICKS_PER_MS)
    board.set(NVMC, r504=2, r508=PAGE)
    assert board.soc.cpu.hung
    board.soc.debug.hold_reset(False)
    assert not board.soc.cpu.hung


@pytest.mark.parametrize(("anomalous", "hangs"), [(True, True), (False, False)])
def test_a_warning_in_the_middle_of_an_erase(anomalous: bool, hangs: bool) -> None:
    board = Board(without_anomalies=frozenset() if anomalous else frozenset({242}))
    _fill(board)
    board.set(POWER, r510=1 | 0xE << 1)
    board.set(NVMC, r504=2, r508=PAGE)
    board.run(40 * TICKS_PER_MS)
    board.kit.rail.set_voltage(2.6)
    board.run(60 * TICKS_PER_MS)
    assert board.soc.cpu.hung is hangs
    assert (board.soc.memory.read(PAGE, 4096) == b"\xff" * 4096) is not hangs


def test_the_deprecated_erase_register_erases_a_page_too() -> None:
    board = Board()
    board.soc.memory.write(0x3000, bytes(8192))
    board.set(NVMC, r504=2, r510=0x3000)
    board.run(86 * TICKS_PER_MS)
    assert board.soc.memory.read(0x3000, 8192) == b"\xff" * 4096 + bytes(4096)
