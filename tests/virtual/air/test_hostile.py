"""Hosts and peers that say anything: nothing raises, and a reset always brings the controller back."""

from __future__ import annotations

import random
import struct

import pytest

from hil.virtual.air.command_table import COMMANDS
from tests.virtual.air.host import Pair

OPCODES = sorted(COMMANDS)
SMALL = (0, 1, 2, 3, 4, 6, 7, 12, 24, 27, 40, 64, 251, 255)


def random_parameters(source: random.Random, opcode: int, handle: int) -> bytes:
    """Of the right length mostly, of likely values mostly, with a live handle mostly."""
    length = COMMANDS[opcode].length or 0
    if source.random() < 0.05:
        length = source.randrange(40)
    data = bytearray(
        source.choice(SMALL) if source.random() < 0.7 else source.randrange(256) for _ in range(length)
    )
    for n in range(1, length, 2):
        if source.random() < 0.6:
            data[n] = 0
    if source.random() < 0.9 and length >= 2:
        data[0:2] = handle.to_bytes(2, "little")
    return bytes(data)


@pytest.mark.parametrize("seed", range(12))
def test_any_commands_at_both_ends_of_a_lossy_link(seed: int) -> None:
    source = random.Random(seed)
    pair = Pair(seed)
    handle = pair.connect(interval=6, timeout=100)
    pair.medium.set_loss(pair.a, pair.b, source.choice((0.0, 0.1, 0.5)), crc_share=0.3)
    useful = [opcode for opcode in OPCODES if opcode not in (0x0C03, 0x0406)]
    for _ in range(300):
        host = source.choice((pair.central, pair.peripheral))
        opcode = source.choice(useful)
        parameters = random_parameters(source, opcode, handle)
        host.command(opcode, parameters)
        if source.random() < 0.3 and host.controller.connections:
            host.controller.on_hci(struct.pack("<BHH", 2, handle, 60) + bytes(60))
        pair.run(source.choice((0, 1, 10, 100)))
    for host in (pair.central, pair.peripheral):
        host.initialise()
        assert host.controller.connections == ()
        assert len(host.ok(0x1009)) == 6


@pytest.mark.parametrize("seed", range(12))
def test_any_control_pdus_of_the_peer(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(20):
        pair = Pair(seed)
        pair.connect(interval=6, timeout=100)
        for _ in range(40):
            if not pair.a.connections:
                break
            length = source.randrange(1, 28)
            pair.links[0].queue_control(bytes((source.randrange(0x20),)) + source.randbytes(length - 1))
            pair.run(20)
            if not pair.b.connections:
                break
        pair.run(2000)
        pair.peripheral.initialise()
        assert len(pair.peripheral.ok(0x1009)) == 6


@pytest.mark.parametrize("seed", range(5))
def test_any_octets_from_the_host(seed: int) -> None:
    source = random.Random(seed)
    pair = Pair(seed)
    for _ in range(200):
        pair.a.on_hci(source.randbytes(source.randrange(12)))
        pair.run(1)
    pair.central.initialise()
