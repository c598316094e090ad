from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_MS
from tests.virtual.soc.board import NVMC, RAM, SAADC, TIMER1, UARTE0, Board


def _trace(board: Board) -> tuple[object, ...]:
    """Run a kit in the middle of things for a while; everything it shows to the outside."""
    board.far.data.clear()
    board.far.times.clear()
    board.run(100 * TICKS_PER_MS)
    board.set(SAADC, r000=1, r004=1)
    board.set(TIMER1, r044=1)
    board.kit.faults.cut_at_operation(1, "during", 0.3)
    board.set(NVMC, r508=0x4000)
    board.run(100 * TICKS_PER_MS)
    memory = board.soc.memory
    return (
        bytes(board.far.data),
        list(board.far.times),
        board.kernel.now,
        memory.read(RAM, 512),
        memory.read(0x3000, 0x2000),
        board.soc.powered,
    )


def test_a_restored_kit_repeats_its_trace_to_the_bit() -> None:
    board = Board()
    board.soc.memory.write(0x3000, bytes(0x2000))
    board.set(UARTE0, r50C=6, r514=8, r524=0x01D6_0000, r500=8, r544=RAM, r548=200, r008=1)
    board.set(UARTE0, r534=RAM + 256, r538=100, r000=1)
    board.kit.console.send(b"on its way")
    board.set(TIMER1, r508=3, r510=4, r540=100, r200=1, r000=1)
    board.set(SAADC, r500=1, r510=9, r518=2 << 16, r62C=RAM + 500, r630=1)
    board.set(NVMC, r504=2, r508=0x3000)
    board.run(3 * TICKS_PER_MS)
    state = (board.kernel.save(), board.kit.save())
    first = _trace(board)
    board.kernel.restore(state[0])
    board.kit.restore(state[1])
    assert board.soc.powered
    assert _trace(board) == first
