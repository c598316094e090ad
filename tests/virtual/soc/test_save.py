"""A save is whole: after arbitrary stores to all registers everything comes back, whatever it is kept in."""

from __future__ import annotations

import copy
import random

import pytest

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US, Event
from hil.virtual.soc.instances import INSTANCES
from hil.virtual.soc.peripheral import Peripheral
from tests.virtual.soc.board import RAM, Board

SYSTEM_OFF, NVMC_PAGE = 0x4000_0500, 0x4001_E000
PLAIN = (int, float, str, bytes, bytearray, bool, Event, type(None))
ENABLE_CODES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple | set):
        return all(_is_plain(each) for each in value)
    return isinstance(value, PLAIN) or type(value).__module__ == "hil.virtual.soc.uarte_receive"


def _state(part: object) -> dict[str, object]:
    """The attributes that hold plain values, and those of the parts that a peripheral is made of."""
    state: dict[str, object] = {}
    for name, value in vars(part).items():
        if name in ("rx", "tx"):
            state[name] = _state(value)
        elif _is_plain(value):
            state[name] = copy.deepcopy(value)
    return state


def _all(board: Board) -> dict[str, dict[str, object]]:
    soc = board.soc
    parts: list[object] = [*soc.peripherals, soc.external_flash, soc.resets, soc.supply, soc.debug]
    return {
        f"{index} {getattr(part, 'name', type(part).__name__)}": _state(part)
        for index, part in enumerate(parts)
    }


# Stores that bring a peripheral into the middle of what it does: base, then offset and value of each.
BUSY = (
    (0x4002_F000, (0x500, 7), (0x538, 50), (0x548, 80), (0x010, 1), (0x01C, 1)),
    (0x4002_F000, (0x500, 7), (0x534, RAM), (0x538, 50), (0x548, 80), (0x524, 0x0200_0000), (0x010, 1)),
    (0x4000_3000, (0x500, 0), (0x500, 6), (0x008, 1)),
    (0x4000_4000, (0x500, 0), (0x500, 1), (0x51C, 1), (0x51C, 2)),
    (
        0x4000_2000,
        (0x500, 0),
        (0x50C, 6),
        (0x514, 8),
        (0x500, 4),
        (0x000, 1),
        (0x008, 1),
        (0x51C, 9),
        (0x51C, 8),
    ),
    (0x4000_E000, (0x504, RAM), (0x000, 1)),
    (0x4000_F000, (0x500, 0), (0x500, 2), (0x508, RAM), (0x000, 1)),
    (0x4000_F000, (0x500, 0), (0x500, 3), (0x508, RAM), (0x510, RAM), (0x000, 1)),
    (0x4001_1000, (0x000, 1), (0x008, 1)),
    (0x4000_B000, (0x000, 1), (0x00C, 1), (0x344, 3)),
    (0x4002_9000, (0x544, 0), (0x634, 0x1B9)),
    (0x4002_9000, (0x544, 0x80), (0x614, 0x00FF_00FF), (0x600, 0x0100_0000)),
    (0x4002_9000, (0x544, 0), (0x638, 0), (0x634, 0x1_045A)),
    (0x4002_9000, (0x544, 0), (0x514, RAM), (0x518, 2048), (0x008, 1)),
    (0x4000_6000, (0x510, 0x10_0D03), (0x000, 1)),
    (0x4000_0000, (0x010, 1), (0x014, 1), (0x000, 1)),
    (0x4000_7000, (0x500, 1), (0x510, 9), (0x62C, RAM), (0x630, 9), (0x000, 1), (0x004, 1)),
    (0x4000_D000, (0x000, 1)),
    (0x4000_C000, (0x000, 1)),
)
QSPI_ON = (
    (0x524, 19),
    (0x528, 17),
    (0x530, 20),
    (0x534, 21),
    (0x538, 22),
    (0x53C, 23),
    (0x500, 1),
    (0x000, 1),
)


def _busy(board: Board, stream: random.Random) -> None:
    for offset, value in QSPI_ON:
        board.write(0x4002_9000 + offset, value)
    board.write(0x4000_0008, 1)
    board.run(TICKS_PER_MS)
    for base, *stores in stream.sample(BUSY, len(BUSY)):
        if stream.random() < 0.7:
            for offset, value in stores:
                board.write(base + offset, value)
        board.run(stream.choice((0, 100, 3 * TICKS_PER_US)))


def _stir(board: Board, stream: random.Random) -> None:
    """Stores of all kinds, to registers of every block that is modelled, and time in between."""
    writers = sorted(board.soc.bus._writers)
    pages = [base for base, _, _ in INSTANCES if any(base <= address < base + 0x1000 for address in writers)]
    for base in pages:
        if base == NVMC_PAGE:
            continue
        registers = [
            address for address in writers if base <= address < base + 0x1000 and address != SYSTEM_OFF
        ]
        for _ in range(30):
            address = stream.choice(registers)
            offset = address - base
            if offset < 0x100:
                value = 1
            elif offset == 0x500 and base < 0x5000_0000:
                value = stream.choice(ENABLE_CODES)
            elif stream.random() < 0.5:
                value = RAM + stream.randrange(0, 0x1_0000, 4)
            else:
                value = stream.getrandbits(stream.choice((1, 4, 8, 32)))
            board.write(address, value)
        board.run(stream.randrange(1, 200 * TICKS_PER_US))
    board.kit.console.send(stream.randbytes(stream.randrange(8)))
    board.kit.press_button(stream.random() < 0.5)
    board.run(TICKS_PER_MS)


@pytest.mark.parametrize("seed", range(12))
def test_everything_comes_back_and_goes_on_as_it_would_have(seed: int) -> None:
    board = Board()
    board.halt()
    _stir(board, random.Random(seed))
    _busy(board, random.Random(seed))
    kernel, kit = board.kernel.save(), board.kit.save()
    before = _all(board)
    _stir(board, random.Random(seed + 100))
    after = _times(_all(board))
    assert after != _times(before)
    for _ in range(2):
        board.kernel.restore(kernel)
        board.kit.restore(kit)
        now = _all(board)
        assert {name: now[name] for name in now if now[name] != before[name]} == {}
        _stir(board, random.Random(seed + 100))
        assert _times(_all(board)) == after


def _times(state: object) -> object:
    """The state with events as their times, so that two runs can be compared."""
    if isinstance(state, Event):
        return (state.when, state.pending)
    if isinstance(state, dict):
        return {name: _times(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return [_times(each) for each in state]
    return state


def test_each_peripheral_is_saved_and_reset() -> None:
    board = Board()
    found = {id(value) for value in vars(board.soc).values() if isinstance(value, Peripheral)}
    assert found <= {id(each) for each in board.soc.peripherals}
