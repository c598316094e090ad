"""CCM: packet encryption as Bluetooth LE has it (nRF52840 Product Specification, CCM).

KSGEN reads key and nonce (the CCM data structure at CNFPTR) and makes the key-stream; CRYPT then encrypts or
decrypts the packet at INPTR to OUTPTR. The packet is HEADER, LENGTH, RFU, PAYLOAD, and MIC if encrypted; an empty
one has no MIC. The MIC covers HEADER without the bits that a retransmission changes (Bluetooth Core Specification,
Vol 6, Part B, Link Layer Encryption).

CRYPT runs at the pace of the radio, MODE.DATARATE or RATEOVERRIDE. Assumed, no source found: the time of KSGEN
with MODE.LENGTH extended; a payload longer than the key-stream is cut; CRYPT without a key-stream gives the
(deprecated) ERROR; an encrypted packet too short for its MIC fails and comes out empty. SCRATCHPTR is stored only.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hil.virtual.kernel import TICKS_PER_US, Event, Kernel
from hil.virtual.soc.aes import AesModule, count
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

ENABLED = 2
ENCRYPTION, DECRYPTION = 0, 1
HEAD = 3
MIC = 4
DEFAULT_PAYLOAD = 27
LONGEST_PAYLOAD = 251
"""With its MIC it just fits LENGTH."""
SIGNED_HEADER = 0xE3
"""HEADER bits under the MIC: not NESN, SN and MD."""
KEY_STREAM = 50 * TICKS_PER_US
"""For 27 bytes of payload."""
BYTE_TICKS = (8 * TICKS_PER_US, 4 * TICKS_PER_US, 64 * TICKS_PER_US, 16 * TICKS_PER_US)
"""A byte on the air at 1 Mbit, 2 Mbit, 125 kbit and 500 kbit, by DATARATE."""


class Ccm(Peripheral):
    STATE = ("_event", "_key", "_nonce", "_rate", "_ends_crypt")

    def __init__(self, aes: AesModule, dma: EasyDma, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("CCM", 0x4000_F000, 15, kernel, bus, lines)
        self._aes = aes
        self._dma = dma
        self._event: Event | None = None
        aes.users.append(self._uses_aes)
        self._ends_crypt = False
        """Whether the operation under way is CRYPT."""
        self._rate = 0
        self._key = self._nonce = b""
        self.task(0x000, self._generate)
        self.task(0x004, self._crypt)
        self.task(0x008, self._stop)
        self.task(0x00C, self._override_rate)
        self.ENDKSGEN = self.event(0x100)
        self.ENDCRYPT = self.event(0x104)
        self.ERROR = self.event(0x108)
        self.shortcuts({0: (self.ENDKSGEN, self._crypt)})
        self.interrupts()
        self.MICSTATUS = self.register(0x400, read_only=True)
        self.ENABLE = self.register(0x500, mask=3, write=self._write_enable)
        self.MODE = self.register(0x504, reset=1, mask=0x0103_0001)
        self.CNFPTR = self.register(0x508)
        self.INPTR = self.register(0x50C)
        self.OUTPTR = self.register(0x510)
        self.SCRATCHPTR = self.register(0x514)
        self.MAXPACKETSIZE = self.register(0x518, reset=0xFB, mask=0xFF)
        self.RATEOVERRIDE = self.register(0x51C, mask=3)

    def on_reset(self, cause: ResetCause) -> None:
        self._stop()

    def _uses_aes(self) -> bool:
        return self._event is not None

    @property
    def _enabled(self) -> bool:
        return self.values[self.ENABLE] == ENABLED

    @property
    def _longest(self) -> int:
        """Bytes of payload that there is a key-stream for."""
        extended = self.values[self.MODE] >> 24 & 1
        return min(self.values[self.MAXPACKETSIZE], LONGEST_PAYLOAD) if extended else DEFAULT_PAYLOAD

    def _write_enable(self, value: int) -> None:
        self.values[self.ENABLE] = value & 3
        if not self._enabled:
            self._stop()

    def _generate(self) -> None:
        """KSGEN."""
        if not self._enabled:
            return
        self.kernel.cancel(self._event)
        self._aes.take()
        duration = KEY_STREAM * max(1, -(-self._longest // DEFAULT_PAYLOAD))
        self._ends_crypt = False
        self._event = self.kernel.after(duration, self._generated)

    def _generated(self) -> None:
        self._event = None
        structure = self._dma.read(self.values[self.CNFPTR], 33, self.name)
        self._key = structure[:16]
        direction = structure[24] & 1
        counter = structure[16:20] + bytes([structure[20] & 0x7F | direction << 7])
        self._nonce = counter + structure[25:33]
        self.fire(self.ENDKSGEN)

    def _crypt(self) -> None:
        """CRYPT."""
        if not self._enabled:
            return
        if not self._nonce:
            self.fire(self.ERROR)
            return
        self.kernel.cancel(self._event)
        self._aes.take()
        self._rate = self.values[self.MODE] >> 16 & 3
        length = self._dma.read(self.values[self.INPTR], HEAD, self.name)[1]
        self._ends_crypt = True
        self._event = self.kernel.after((HEAD + length) * BYTE_TICKS[self._rate], self._crypted)

    def _override_rate(self) -> None:
        """RATEOVERRIDE: the rest of the operation under way runs at the other rate."""
        if not self._enabled or self._event is None or not self._ends_crypt:
            return
        rate = self.values[self.RATEOVERRIDE]
        left = (self._event.when - self.kernel.now) * BYTE_TICKS[rate] // BYTE_TICKS[self._rate]
        self._rate = rate
        self.kernel.cancel(self._event)
        self._event = self.kernel.after(left, self._crypted)

    def _stop(self) -> None:
        self.kernel.cancel(self._event)
        self._event = None
        self._key = self._nonce = b""

    def _crypted(self) -> None:
        self._event = None
        pointer = self.values[self.INPTR]
        header, length, reserved = self._dma.read(pointer, HEAD, self.name)
        length &= 0xFF if self.values[self.MODE] >> 24 & 1 else 0x1F
        aad = bytes([header & SIGNED_HEADER])
        body = self._dma.read(pointer + HEAD, length, self.name) if length else b""
        if self.values[self.MODE] & 1 == ENCRYPTION:
            out = self._encrypted(body, aad)
        else:
            out = self._decrypted(body, aad)
        packet = bytes([header, len(out), reserved]) + out
        self._dma.write(self.values[self.OUTPTR], packet, self.name)
        self._key = self._nonce = b""  # a key-stream serves one packet
        self.fire(self.ENDCRYPT)

    def _encrypted(self, payload: bytes, aad: bytes) -> bytes:
        if not payload:
            return b""
        return AESCCM(self._key, tag_length=MIC).encrypt(self._nonce, payload[: self._longest], aad)

    def _decrypted(self, body: bytes, aad: bytes) -> bytes:
        """The payload, which comes out whether the MIC is right or not; MICSTATUS tells."""
        body = body[: self._longest + MIC]
        if 0 < len(body) <= MIC:
            self.values[self.MICSTATUS] = 0
            return b""
        payload, mic = body[:-MIC], body[-MIC:]
        # Counter block 1 of RFC 3610, with a length field of two bytes as Bluetooth has it.
        payload = count(self._key, b"\x01" + self._nonce + b"\x00\x01", payload)
        self.values[self.MICSTATUS] = int(not body or self._encrypted(payload, aad)[-MIC:] == mic)
        return payload
