"""Hostile input by hypothesis, inside a case: what is sent, how the device is judged, what is kept of a failure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import cbor2
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from hil.ble.central import Connection
from hil.dfu.errors import SmpError
from hil.dfu.reach import BleReach
from hil.dfu.session import SlotState
from hil.dfu.update import Update
from hil.errors import DeviceError
from hil.rig.device import Device

WINDOW = 16
"""Bytes in a row of the device's own flash in an answer are taken for a leak from this many on."""

# ---- SMP messages ----

_KEYS = [
    "off",
    "len",
    "data",
    "sha",
    "image",
    "upgrade",
    "hash",
    "confirm",
    "slot",
    "d",
    "query",
    "force",
    "rc",
]
_OS, _RESET, _WRITE = 0, 5, 2

_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=64)
    | st.text(max_size=16)
    | st.sampled_from([0, 1, 31, 32, 33, 2**31, 2**32 - 1, 2**32, b"", bytes(32), bytes(33)])
)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=8,
)
_maps = st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=8), _values, max_size=6)
_payloads = _maps.map(cbor2.dumps) | st.binary(max_size=96) | _values.map(cbor2.dumps)


@st.composite
def smp_messages(draw: st.DrawFn) -> bytes:
    """One message: a header that is mostly right, and a payload that mostly is not."""
    group = draw(st.sampled_from([0, 1, 1, 1, 2, 3, 8, 9, 10, 63, 64]) | st.integers(0, 0xFFFF))
    operation = draw(st.sampled_from([0, 2, 2]) | st.integers(0, 7))
    command = draw(st.integers(0, 10) | st.integers(0, 0xFF))
    version = draw(st.sampled_from([0, 1, 1, 2, 3]))
    payload = draw(_payloads)
    if draw(st.booleans()):
        payload = payload[: draw(st.integers(0, len(payload)))]
    length = draw(st.just(len(payload)) | st.just(len(payload)) | st.integers(0, 0xFFFF))
    if group == _OS and command == _RESET and operation == _WRITE:
        operation = 0  # what is asked for in due form is done, and a reset is no fault
    head = bytes([operation | version << 3, draw(st.integers(0, 0xFF))])
    head += length.to_bytes(2, "big") + group.to_bytes(2, "big")
    return head + bytes([draw(st.integers(0, 0xFF)), command]) + payload


console_input = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=120).map(lambda data: b"\x06\x09" + data + b"\n"),
    st.binary(max_size=120).map(lambda data: b"\x04\x14" + data + b"\n"),
    st.text(alphabet="ABCDabcd0123+/=", max_size=180).map(lambda text: b"\x06\x09" + text.encode() + b"\n"),
    st.just(b"\x06\x09" * 40 + b"\n"),
    st.just(b"A" * 600 + b"\n"),
)

# ---- ATT PDUs ----

# Opcodes of requests and commands (Core 5.4, Vol 3, Part F, 3.4.8).
_ATT = [0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0E, 0x10, 0x12, 0x16, 0x18, 0x1E, 0x20, 0x52, 0xD2]
_handles = st.sampled_from([0, 1, 2, 3, 9, 10, 16, 17, 18, 19, 0x7FFF, 0xFFFF]) | st.integers(0, 0xFFFF)


@st.composite
def att_pdus(draw: st.DrawFn) -> bytes:
    """A PDU with a known or unknown opcode, handles in and out of range, and a length of any kind."""
    opcode = draw(st.sampled_from(_ATT) | st.integers(0, 0xFF))
    body = b"".join(handle.to_bytes(2, "little") for handle in draw(st.lists(_handles, max_size=4)))
    return bytes([opcode]) + body + draw(st.binary(max_size=120))


# ---- Judging ----


class Judge:
    """Holds a device to what must be true whatever it was sent."""

    def __init__(self, dut: Device) -> None:
        self.dut = dut
        self.rig = dut.rig
        self.update = Update(self.rig.run, dut.air())
        self.answers: list[bytes] = []
        self._states = self._active()
        self._boots = self._count_of("bootloader ")
        self._regions = self._protected()
        self._secrets = {
            content[at : at + WINDOW]
            for content in self._regions.values()
            for at in range(len(content) - WINDOW)
            if len(set(content[at : at + WINDOW])) > 4  # runs of one byte are nobody's secret
        }

    def run(self, sent: Sequence[bytes], send: Callable[[Sequence[bytes]], None]) -> None:
        """Send one example and judge what the device does with it."""
        self.answers.clear()
        with contextlib.suppress(SmpError, DeviceError):
            send(sent)
        self.alive()
        for answer in self.answers:
            windows = (answer[at : at + WINDOW] for at in range(max(0, len(answer) - WINDOW + 1)))
            assert not self._secrets.intersection(windows), (
                "an answer holds bytes of bootloader or provisioning page"
            )
        assert self._count_of("bootloader ") == self._boots, "the device restarted"
        assert not self._count_of("fault cfsr"), "the device faulted"
        self._same_images()

    def alive(self) -> None:
        """The device answers an echo, if need be on a new connection."""
        for attempt in range(2):
            try:
                assert self.update.echo("still here") == "still here"
                return
            except (SmpError, DeviceError) as error:
                if attempt:
                    raise AssertionError(f"the device does not answer any more: {error}") from error
                self.rig.run(self.update.session.drop())

    def at_the_end(self) -> None:
        """What takes a probe, or a while: looked at once, after all examples."""
        parameters = self.update.parameters()
        if parameters is not None:
            # A buffer that was lost would be missing here: as many requests as there are buffers, all at once.
            for _ in range(parameters.buf_count * 2):
                self.alive()
        for name, content in self._protected().items():
            assert content == self._regions[name], f"the {name} was changed"

    def connection(self) -> Connection:
        """The present connection, made if there is none."""
        self.rig.run(self.update.session.client())
        reach = self.update.session.reach
        assert isinstance(reach, BleReach) and reach.connection is not None
        return reach.connection

    def _active(self) -> list[SlotState]:
        return [state for state in self.update.states() if state.active]

    def _same_images(self) -> None:
        states = self.update.states()
        assert [state for state in states if state.active] == self._states, (
            "the running image's state changed"
        )
        assert not any(state.pending for state in states), (
            "an image is marked to be started that was not uploaded"
        )

    def _count_of(self, text: str) -> int:
        return self.dut.log.count(text) if "console" in self.rig.capabilities else 0

    def _protected(self) -> dict[str, bytes]:
        if "probe" not in self.rig.capabilities:
            return {}
        file = self.dut.file
        named = {"bootloader": file.bootloader, "provisioning page": file.provisioning}
        return {
            name: self.dut.read_flash(each.start, each.size)
            for name, each in named.items()
            if each is not None
        }


def explore(
    judge: Judge,
    inputs: st.SearchStrategy[bytes],
    send: Callable[[Sequence[bytes]], None],
    *,
    examples: int,
    case_seed: int,
    folder: Path,
    replay: str,
) -> None:
    """Let hypothesis look for an example that the device cannot stand; the shortest one found is kept and told.

    Raises AssertionError, whose text has the messages in hexadecimal, which `replay` (a case id) takes.
    """
    last: list[bytes] = []

    @seed(case_seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.lists(inputs, min_size=1, max_size=6))
    def try_one(sent: list[bytes]) -> None:
        last[:] = sent
        judge.run(sent, send)

    try:
        try_one()
    except AssertionError as error:
        listed = " ".join(each.hex() for each in last)
        path = folder / "counterexample.txt"
        path.write_text(
            f'# {error}\n# Repeat: in a plan, cases = ["{replay}"] and\n'
            f'# parameters."{replay}" = {{ messages = ["{listed}"] }}\n{listed}\n',
            encoding="utf-8",
        )
        raise AssertionError(f"{str(error).splitlines()[0]}; sent: {listed}") from None
    judge.at_the_end()


# ---- Ways to send ----


def over_smp(judge: Judge) -> Callable[[Sequence[bytes]], None]:
    """Messages as they are, over the SMP characteristic."""

    async def send(messages: Sequence[bytes]) -> None:
        client = await judge.update.session.client()
        deliver = client._on_message

        def note(message: bytes) -> None:
            judge.answers.append(message)
            deliver(message)

        client.transport.set_receiver(note, client._on_error)
        for message in messages:
            await client.transport.send(message)
        await asyncio.sleep(0.3)

    def run(messages: Sequence[bytes]) -> None:
        judge.rig.run(send(messages))

    return run


def over_console(judge: Judge) -> Callable[[Sequence[bytes]], None]:
    """Bytes as they are, into the console."""
    seen = bytearray()
    judge.rig.console.add_byte_tap(seen.extend)

    def run(pieces: Sequence[bytes]) -> None:
        seen.clear()
        for piece in pieces:
            judge.rig.console.send(piece)
            judge.rig.sleep(0.1)
        judge.rig.console.send(b"\n")
        judge.rig.sleep(0.2)
        judge.rig.console.pump()
        judge.answers.append(bytes(seen))

    return run


def over_att(judge: Judge) -> Callable[[Sequence[bytes]], None]:
    """PDUs as they are, on the attribute protocol's fixed channel (Core 5.4, Vol 3, Part F, 3.2.11)."""

    def run(pdus: Sequence[bytes]) -> None:
        judge.connection()
        radio = judge.rig.central.radio
        assert radio is not None
        for pdu in pdus:
            for connection in list(radio.device.connections.values()):
                connection.send_l2cap_pdu(4, pdu)
            judge.rig.sleep(0.1)

    return run


def parsed(messages: str) -> list[bytes]:
    """Messages in hexadecimal, apart by spaces. Raises ValueError."""
    return [bytes.fromhex(each) for each in messages.split()]
