"""The supply and the HCI of the spare controllers on TCP sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import pyvisa

from hil.serve.hci import HciSocket
from hil.serve.scpi import SupplySocket
from hil.serve.sockets import HOST
from hil.virtual.air.advertising import Advertiser
from hil.virtual.air.h4 import HCI_RESET
from tests.serve.conftest import PATIENCE_S, Live

RESET_DONE = bytes.fromhex("040e0401030c00")


@pytest.fixture
def supply(live: Live) -> Iterator[SupplySocket]:
    made = SupplySocket(live.loop, live.bench.psu)
    yield made
    live.stop()
    made.close()


@pytest.fixture
def hci(live: Live) -> Iterator[HciSocket]:
    made = HciSocket(live.loop, live.bench.spares[0])
    live.start()
    yield made
    live.stop()
    made.close()


def connect(address: str) -> socket.socket:
    """To the port that ends a VISA resource's or a Bumble transport's name."""
    port = int(address.removesuffix("::SOCKET").replace("::", ":").rpartition(":")[2])
    return socket.create_connection((HOST, port), PATIENCE_S)


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        assert part, f"hung up after {data!r}"
        data += part
    return data


def test_pyvisa_opens_the_supply_and_switches_the_kit_off_and_on(live: Live, supply: SupplySocket) -> None:
    live.load("echo")
    live.start()
    manager = pyvisa.ResourceManager("@py")
    with manager.open_resource(
        supply.resource, read_termination="\n", write_termination="\n", timeout=1000 * PATIENCE_S
    ) as instrument:
        assert instrument.query("*IDN?").startswith("HIL,VPS-6003,")
        assert float(instrument.query("MEAS:VOLT?")) == pytest.approx(3.0, abs=0.01)
        instrument.write("OUTP OFF")
        live.until(lambda: not live.kit.soc.powered)
        instrument.write("OUTP ON")
        live.until(lambda: live.kit.soc.powered)
        assert instrument.query("SYST:ERR?") == '0,"No error"'
    manager.close()


def test_each_client_gets_its_own_answers(live: Live, supply: SupplySocket) -> None:
    live.start()
    with connect(supply.resource) as first, connect(supply.resource) as second:
        for _ in range(5):
            first.sendall(b"MEAS:VOLT?;*IDN?\n")
            second.sendall(b"*OPC?\n")
        assert exactly(second, 10) == b"1\n" * 5
        got = b""
        while got.count(b"\n") < 5:
            got += first.recv(4096)
        assert all(line.startswith(b"0.0000;HIL,") for line in got.splitlines())


def test_a_client_that_floods_the_supply_is_cut_off_alone(live: Live, supply: SupplySocket) -> None:
    live.start()
    with connect(supply.resource) as flood, connect(supply.resource) as other:
        with pytest.raises(OSError):
            for _ in range(10_000):
                flood.sendall(b"*IDN?\n" * 100 + b"x" * 5000)
        other.sendall(b"*OPC?\n")
        assert other.recv(64) == b"1\n"


def test_a_half_message_dies_with_its_client(live: Live, supply: SupplySocket) -> None:
    live.start()
    with connect(supply.resource) as first:
        first.sendall(b"OUTP O")
    with connect(supply.resource) as second:
        second.sendall(b"N;*OPC?\n")
        second.sendall(b"SYST:ERR?\n")
        assert b"-113" in second.recv(256)


def test_a_host_resets_the_controller(hci: HciSocket) -> None:
    with connect(hci.transport) as host:
        host.sendall(HCI_RESET)
        assert exactly(host, 7) == RESET_DONE


def test_packets_may_come_in_pieces_and_in_heaps(hci: HciSocket) -> None:
    with connect(hci.transport) as host:
        for octet in HCI_RESET:
            host.sendall(bytes((octet,)))
        host.sendall(HCI_RESET * 3)
        assert exactly(host, 28) == RESET_DONE * 4


def test_rubbish_is_answered_with_a_hardware_error_and_skipped_up_to_a_reset(hci: HciSocket) -> None:
    with connect(hci.transport) as host:
        host.sendall(b"GET / HTTP/1.1\r\n\r\n" + HCI_RESET)
        assert exactly(host, 4) == bytes.fromhex("04100101")
        assert exactly(host, 7) == RESET_DONE


def test_one_host_at_a_time(hci: HciSocket) -> None:
    with connect(hci.transport) as first:
        first.sendall(HCI_RESET)
        exactly(first, 7)
        with connect(hci.transport) as second:
            assert second.recv(1) == b""
        first.sendall(HCI_RESET)
        exactly(first, 7)


def test_a_controller_is_fresh_for_the_next_host(live: Live, hci: HciSocket) -> None:
    advertiser: Advertiser = live.bench.spares[0].advertiser
    with connect(hci.transport) as host:
        host.sendall(HCI_RESET)
        # LE Set Advertising Parameters with the public address, LE Set Advertising Enable.
        host.sendall(bytes.fromhex("0106200f a000a0000000000000000000000700"))
        host.sendall(bytes.fromhex("010a200101"))
        exactly(host, 7 * 3)
        assert live.loop.call(lambda: advertiser.enabled)
    live.until(lambda: not advertiser.enabled)
    with connect(hci.transport) as host:
        host.sendall(HCI_RESET)
        assert exactly(host, 7) == RESET_DONE
