"""Closed forms of what a link, an HCI UART and a flash carry, against figures worked out by hand."""

from __future__ import annotations

import asyncio

import pytest

from hil.ble.cell import Cell, Stage, narrowest, negotiated
from hil.ble.central import Connection, Seen, _LinkEnd
from hil.ble.link import UnknownLink
from hil.errors import BenchError


def test_the_air_of_whole_events_and_of_a_last_one_in_part() -> None:
    # 2M: a PDU of 251 octets takes 1048 us, its answer 44, two gaps 300: 1392 us, ten in an event of 15 ms.
    cell = Cell("2M", 498, 251, 15.0)
    assert cell.air(495 * 5).bytes_per_second == pytest.approx(495 * 5 / (9 * 1392e-6 + 1048e-6))
    assert cell.air(495 * 10).bytes_per_second == pytest.approx(495 * 10 / (15e-3 + 9 * 1392e-6 + 1048e-6))


def test_a_whole_second_of_air_is_whole_writes() -> None:
    cell = Cell("2M", 498, 251, 15.0)
    assert cell.bytes_within(1.0) == 333 * 495  # 165 000 bytes/s in writes of 495
    assert cell.bytes_within(0.0) == 495


@pytest.mark.parametrize(
    ("mtu", "octets_on_the_uart"),
    [
        (23, 27 + 5),  # one PDU
        (247, 251 + 5),
        (498, 502 + 2 * 5),  # two PDUs
    ],
)
def test_the_uart_carries_the_headers_of_each_pdu_too(mtu: int, octets_on_the_uart: int) -> None:
    stage = Cell("2M", mtu, 251, 15.0).hci_uart(1_000_000)
    assert stage.bytes_per_second == pytest.approx((mtu - 3) / (octets_on_the_uart * 10e-6))


def test_a_short_data_length_costs_more_headers() -> None:
    assert (
        Cell("2M", 247, 27, 15.0).hci_uart(1_000_000).bytes_per_second
        < Cell("2M", 247, 251, 15.0).hci_uart(1_000_000).bytes_per_second
    )


def test_the_narrowest_stage_is_named() -> None:
    stages = [Stage("air", 200e3), Stage("HCI UART", 96e3), Stage("flash write", 97.6e3).carrying(0.5)]
    assert narrowest(stages).name == "flash write"
    assert str(stages[1]) == "HCI UART (96.0 kB/s)"


def test_an_unknown_link_is_not_reckoned_with() -> None:
    class Device:
        address = "C0:00:00:00:00:01"

    peer = Seen(Device(), None)  # type: ignore[arg-type]
    connection = Connection(None, UnknownLink(247), peer, _LinkEnd())  # type: ignore[arg-type]
    with pytest.raises(BenchError, match="does not tell PHY"):
        asyncio.run(negotiated(connection))
