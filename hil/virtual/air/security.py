"""Encryption start and pause of one connection (Core 5.4, Vol 6 Part B, 5.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hil.virtual.air import errors, pdu
from hil.virtual.air.component import Component
from hil.virtual.air.encryption import Session

if TYPE_CHECKING:
    from hil.virtual.air.link import Connection
    from hil.virtual.air.procedures import Procedures


class Security(Component):
    """The encryption procedures of one end. Data is held back from the request to the end."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"_link", "_procedures"})
    OPCODES = frozenset(
        {
            pdu.LL_ENC_REQ,
            pdu.LL_ENC_RSP,
            pdu.LL_START_ENC_REQ,
            pdu.LL_START_ENC_RSP,
            pdu.LL_PAUSE_ENC_REQ,
            pdu.LL_PAUSE_ENC_RSP,
        }
    )

    def __init__(self, link: Connection, procedures: Procedures) -> None:
        self._link = link
        self._procedures = procedures
        self.busy = False
        self._refreshing = False
        self._ltk = b""
        self._request = b""  # Rand, EDIV
        self._skd = b""
        self._iv = b""
        self.awaiting_key = False
        """True while the peripheral's host is asked for the long term key."""

    def enable(self, random: bytes, diversifier: bytes, ltk: bytes) -> int:
        """HCI_LE_Enable_Encryption at the central: start, or refresh the key. Returns a status."""
        link = self._link
        if link.role != 0 or self.busy:
            return errors.COMMAND_DISALLOWED
        self._begin()
        self._ltk = ltk
        self._request = random + diversifier
        if link.encrypt_tx:
            self._refreshing = True
            self._procedures.send(pdu.LL_PAUSE_ENC_REQ)
        else:
            self._request_encryption()
        return errors.SUCCESS

    def key(self, ltk: bytes | None) -> bool:
        """The peripheral's host gives the key, or has none; False if it was not asked."""
        if not self.awaiting_key:
            return False
        self.awaiting_key = False
        if ltk is None:
            self._procedures.reject(pdu.LL_ENC_REQ, errors.PIN_OR_KEY_MISSING)
            self._end()
            return True
        self._link.session = Session(ltk, self._skd, self._iv, central=False)
        self._procedures.send(pdu.LL_START_ENC_REQ)
        self._link.encrypt_rx = True
        return True

    def refused(self, reason: int) -> None:
        """The peer rejected LL_ENC_REQ."""
        if self.busy:
            self._end()
            self._link.radio.events.encryption_change(self._link.handle, reason, False)

    def received(self, opcode: int, data: bytes) -> None:
        """A control PDU of these procedures, of at least its length."""
        central = self._link.role == 0
        if opcode == pdu.LL_ENC_REQ and not central:
            self._on_request(data)
        elif opcode == pdu.LL_ENC_RSP and central and self.busy:
            self._skd += data[0:8]
            self._iv += data[8:12]
        elif opcode == pdu.LL_START_ENC_REQ and central and self.busy:
            self._link.session = Session(self._ltk, self._skd, self._iv, central=True)
            self._link.encrypt_tx = self._link.encrypt_rx = True
            self._procedures.send(pdu.LL_START_ENC_RSP)
        elif opcode == pdu.LL_START_ENC_RSP and self.busy:
            if not central:
                self._link.encrypt_tx = True
                self._procedures.send(pdu.LL_START_ENC_RSP)
            self._finished()
        elif opcode == pdu.LL_PAUSE_ENC_REQ and not central:
            self._begin()
            self._refreshing = True
            self._link.encrypt_rx = False  # the central's next control PDU comes in the clear
            self._procedures.send(pdu.LL_PAUSE_ENC_RSP)
        elif opcode == pdu.LL_PAUSE_ENC_RSP and self.busy:
            self._on_paused(central)

    def _begin(self) -> None:
        self.busy = True
        self._link.hold_data = True
        self._procedures.watch()

    def _request_encryption(self) -> None:
        random = self._link.radio.random
        self._skd, self._iv = random.randbytes(8), random.randbytes(4)
        self._procedures.send(pdu.LL_ENC_REQ, self._request + self._skd + self._iv)

    def _on_request(self, data: bytes) -> None:
        self._begin()
        random = self._link.radio.random
        skd, iv = random.randbytes(8), random.randbytes(4)
        self._skd = data[10:18] + skd
        self._iv = data[18:22] + iv
        self._procedures.send(pdu.LL_ENC_RSP, skd + iv)
        self.awaiting_key = True
        if not self._link.radio.events.long_term_key_request(self._link.handle, data[0:10]):
            self.key(None)

    def _on_paused(self, central: bool) -> None:
        link = self._link
        if central:
            # The peer's last encrypted PDU was this one; ours that answers it is not encrypted.
            link.encrypt_tx = link.encrypt_rx = False
            self._procedures.send(pdu.LL_PAUSE_ENC_RSP)
            self._request_encryption()
        else:
            link.encrypt_tx = False

    def _finished(self) -> None:
        refreshed = self._refreshing
        self._end()
        if refreshed:
            self._link.radio.events.key_refresh(self._link.handle, errors.SUCCESS)
        else:
            self._link.radio.events.encryption_change(self._link.handle, errors.SUCCESS, True)

    def _end(self) -> None:
        self.busy = False
        self._refreshing = False
        self._link.hold_data = False
        self._link.update_limits()
        self._procedures.settle()
