"""AES-CCM of the link layer against the sample data of Core 5.4, Vol 6 Part C, section 1."""

from __future__ import annotations

from hil.virtual.air.encryption import Session, aes_128
from hil.virtual.air.pdu import LLID_CONTROL
from tests.virtual.air.host import Pair

LTK = bytes.fromhex("4C68384139F574D836BCF34E9DFB01BF")[::-1]
SKD = bytes.fromhex("ACBDCEDFE0F10213")[::-1] + bytes.fromhex("0213243546576879")[::-1]
IV = bytes.fromhex("BADCAB24")[::-1] + bytes.fromhex("DEAFBABE")[::-1]
REQUEST = bytes(10)
KEY = bytes(range(16))


def test_session_key_of_the_sample_data() -> None:
    assert aes_128(LTK, SKD)[::-1] == bytes.fromhex("99AD1B5226A37E3E058E3B8E27C2C666")


def test_first_packets_of_the_sample_data() -> None:
    central, peripheral = Session(LTK, SKD, IV, True), Session(LTK, SKD, IV, False)
    from_central = central.encrypt(LLID_CONTROL, b"\x06")
    assert from_central == bytes.fromhex("9FCDA7F448")
    assert peripheral.decrypt(LLID_CONTROL, from_central) == b"\x06"
    from_peripheral = peripheral.encrypt(LLID_CONTROL, b"\x06")
    assert from_peripheral == bytes.fromhex("A34C13A415")
    assert central.decrypt(LLID_CONTROL, from_peripheral) == b"\x06"


def encrypted(pair: Pair, key: bytes | None = KEY) -> None:
    """Start encryption; the peripheral's host answers with `key`, or has none."""
    handle = pair.connect()

    def answer(code: int, parameters: bytes) -> None:
        if code == 0x3E05:
            reply = (
                b"\x01\x1a\x20\x12" + parameters[:2] + key if key else b"\x01\x1b\x20\x02" + parameters[:2]
            )
            pair.b.on_hci(reply)

    pair.peripheral.on_event = answer
    pair.central.ok(0x2019, handle.to_bytes(2, "little") + REQUEST + KEY)
    pair.run(500)


def test_encrypted_data_arrives_and_costs_a_mic_on_the_air() -> None:
    pair = Pair()
    encrypted(pair)
    for host in (pair.central, pair.peripheral):
        assert host.of(0x08) == [b"\x00" + pair.handle.to_bytes(2, "little") + b"\x01"]
    lengths: list[int] = []
    transmit = pair.medium.transmit

    def spy(*args: object) -> int:
        lengths.append(len(args[5]))  # type: ignore[arg-type]
        return transmit(*args)  # type: ignore[arg-type]

    pair.medium.transmit = spy  # type: ignore[method-assign, assignment]
    pair.medium.set_loss(pair.a, pair.b, 0.2)
    for n in range(40):
        pair.central.send(pair.handle, bytes((n,)) * 20)
        pair.peripheral.send(pair.handle, bytes((n,)) * 21)
    pair.run(2000)
    assert [packet[4:] for _, packet in pair.peripheral.received] == [bytes((n,)) * 20 for n in range(40)]
    assert [packet[4:] for _, packet in pair.central.received] == [bytes((n,)) * 21 for n in range(40)]
    assert set(lengths) == {2, 2 + 20 + 4, 2 + 21 + 4}


def test_a_key_can_be_refreshed() -> None:
    pair = Pair()
    encrypted(pair)
    pair.central.ok(0x2019, pair.handle.to_bytes(2, "little") + REQUEST + KEY)
    pair.run(500)
    for host in (pair.central, pair.peripheral):
        assert host.of(0x30) == [b"\x00" + pair.handle.to_bytes(2, "little")]
    pair.central.send(pair.handle, b"after")
    pair.run(100)
    assert pair.peripheral.received[-1][1][4:] == b"after"


def test_a_missing_key_is_refused_and_the_link_lives_on() -> None:
    pair = Pair()
    encrypted(pair, key=None)
    assert pair.central.of(0x08) == [b"\x06" + pair.handle.to_bytes(2, "little") + b"\x00"]
    pair.central.send(pair.handle, b"plain")
    pair.run(100)
    assert pair.peripheral.received[-1][1][4:] == b"plain"


def test_different_keys_end_the_link_with_a_mic_failure() -> None:
    pair = Pair()
    encrypted(pair, key=bytes(16))
    assert pair.peripheral.of(0x05)[0][3] == 0x3D
    pair.run(5000)
    assert len(pair.central.of(0x05)) == 1
