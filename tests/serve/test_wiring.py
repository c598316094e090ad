"""Consoles on other pins, and UARTs on pins that lead nowhere."""

from __future__ import annotations

import logging

import pytest

from hil.errors import InputError
from hil.serve.wiring import LooseUarts, rewire
from hil.virtual.kernel import TICKS_PER_MS
from tests.serve.conftest import Live


class Heard(bytearray):
    """A far end that keeps what it hears."""

    def receive(self, data: bytes) -> None:
        self += data


def test_the_console_may_be_on_other_pins(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    live.kit.console.far_end = heard
    live.kit.console.txd = live.kit.console.rxd = 0
    rewire(live.kit.console, "p0.06, 0.8")
    assert (live.kit.console.txd, live.kit.console.rxd, live.kit.console.rts) == (6, 8, None)
    live.load("echo")
    live.bench.kernel.advance(live.bench.kernel.now + 5 * TICKS_PER_MS)
    assert heard == b"echo ready\r\n"
    with caplog.at_level(logging.WARNING):
        LooseUarts(live.kit.soc.uartes).poll()
    assert not caplog.records


def test_a_uart_on_a_loose_pin_is_told_once(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    rewire(live.kit.console, "P1.14,P1.15,P0.30,P0.31")
    assert (live.kit.console.txd, live.kit.console.cts) == (46, 31)
    live.load("echo")
    live.bench.kernel.advance(live.bench.kernel.now + 5 * TICKS_PER_MS)
    loose = LooseUarts(live.kit.soc.uartes)
    with caplog.at_level(logging.WARNING):
        loose.poll()
        loose.poll()
    (record,) = caplog.records
    assert "UARTE0 sends on P0.06" in record.getMessage()


@pytest.mark.parametrize(
    "pins", ["", "P0.06", "P0.06,P0.32", "P1.16,P0.08", "P0.06,P0.06", "6,8", "P0.1,P0.2,P0.3"]
)
def test_what_is_no_pin_is_refused(live: Live, pins: str) -> None:
    with pytest.raises(InputError, match="--console-pins"):
        rewire(live.kit.console, pins)
