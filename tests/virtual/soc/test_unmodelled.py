"""What nobody models: named, logged once, counted."""

from __future__ import annotations

import itertools
import logging

import pytest

from hil.virtual.soc.instances import INSTANCES
from tests.virtual.soc.board import PPI, TIMER1, Board

NOT_MODELLED = {
    0x4000_1000: "RADIO",
    0x4000_5000: "NFCT",
    0x4001_2000: "QDEC",
    0x4001_3000: "COMP/LPCOMP",
    0x4001_C000: "PWM0",
    0x4002_1000: "PWM1",
    0x4002_2000: "PWM2",
    0x4002_D000: "PWM3",
    0x4001_D000: "PDM",
    0x4002_0000: "MWU",
    0x4002_5000: "I2S",
    0x4002_7000: "USBD",
    0x5002_A000: "CRYPTOCELL",
}


@pytest.mark.parametrize(("base", "name"), NOT_MODELLED.items(), ids=NOT_MODELLED.values())
def test_each_block_that_is_not_modelled_has_its_name(
    base: int, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    board = Board()
    with caplog.at_level(logging.WARNING):
        assert board.read(base + 0x504) == 0
        board.read(base + 0x504)
        board.write(base, 1)
    messages = [record.getMessage() for record in caplog.records]
    assert [message for message in messages if message.startswith("unmodelled")] == [
        f"unmodelled read at 0x{base + 0x504:08x} ({name}+0x504), PC 0x00000100",
        f"unmodelled write at 0x{base:08x} ({name}+0x000), PC 0x00000100",
    ]
    assert board.soc.bus.noted() == {
        f"0x{base + 0x504:08x} ({name}+0x504) read, PC 0x00000100": 2,
        f"0x{base:08x} ({name}+0x000) write, PC 0x00000100": 1,
    }


@pytest.mark.parametrize(
    ("base", "words"),
    [
        (0x4000_1000, ("radio on the chip", "HCI over UART")),
        (0x4000_5000, ("NFC",)),
        (0x4002_7000, ("USB", "UART on P0.06")),
        (0x5002_A000, ("CryptoCell", "in software")),
        (0x5002_B000, ("CryptoCell", "in software")),
    ],
)
def test_what_it_means_and_the_way_round_it_are_told_once(
    base: int, words: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    board = Board()
    with caplog.at_level(logging.WARNING):
        board.read(base + 0x504)
        board.read(base + 0x504)
        board.write(base + 0xF00, 1)
    first, advice, last = (record.getMessage() for record in caplog.records)
    assert first.startswith("unmodelled read")
    assert last.startswith("unmodelled write")
    assert all(word in advice for word in ("the firmware uses", "not modelled", *words))


def test_the_two_halves_of_cryptocell_give_one_advice(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()
    with caplog.at_level(logging.WARNING):
        board.write(0x5002_A500, 1)
        board.read(0x5002_B928)
    assert sum("in software" in record.getMessage() for record in caplog.records) == 1


def test_a_ppi_task_that_is_not_modelled_counts_as_well() -> None:
    board = Board()
    board.set(PPI, r510=TIMER1 + 0x140, r514=0x4000_1000, r504=1)
    board.set(TIMER1, r508=3, r540=10, r000=1)
    board.run(100_000)
    assert board.soc.bus.unmodelled == {(0x4000_1000, "task"): 1}


def test_counts_and_counters_come_back_with_a_save() -> None:
    board = Board()
    board.read(0x4000_1000)
    kernel, kit = board.kernel.save(), board.kit.save()
    noted = board.soc.bus.noted()
    board.read(0x4000_1000)
    board.read(0x4000_5000)
    board.kernel.restore(kernel)
    board.kit.restore(kit)
    assert board.soc.bus.noted() == noted


def test_blocks_do_not_overlap() -> None:
    ranges = sorted((base, base + size) for base, size, _ in INSTANCES)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(ranges))


def test_it_is_said_when_firmware_waits_for_what_is_not_modelled(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()
    with caplog.at_level(logging.WARNING):
        for _ in range(10_100):
            board.read(0x5002_BA00)
    waits = [record.getMessage() for record in caplog.records if "waits" in record.getMessage()]
    assert waits == [
        "0x5002ba00 (CC_HOST_RGF+0xa00), which is not modelled, was read 10000 times: the firmware waits for it, "
        "PC 0x00000100"
    ]
