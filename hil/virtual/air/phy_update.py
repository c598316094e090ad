"""The PHY update procedure of one end of a connection (Core 5.4, Vol 6 Part B, 5.1.10)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

from hil.virtual.air import errors, pdu
from hil.virtual.air.changes import CHANGE_PHY, Change
from hil.virtual.air.component import Component
from hil.virtual.air.medium import PHY_1M, PHY_2M, PHY_CODED

if TYPE_CHECKING:
    from hil.virtual.air.link import Connection
    from hil.virtual.air.procedures import Procedures


class PhyUpdate(Component):
    """Either end may ask; the central decides, and both change at the instant."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"_link", "_procedures"})

    def __init__(self, link: Connection, procedures: Procedures) -> None:
        self._link = link
        self._procedures = procedures
        self._accepted = link.radio.default_phys  # masks to send and to receive on
        self.asked = False
        """Whether the host waits for an LE PHY Update Complete event."""
        self._peer_asked = False
        self.pending_tx = 0
        """The PHY to send on after an agreed instant, 0 if none is agreed."""

    def ask(self, tx: int, rx: int) -> None:
        """HCI_LE_Set_PHY with the masks of PHYs the host accepts."""
        self._accepted = (tx, rx)
        self.asked = True
        self._procedures.begin(bytes((pdu.LL_PHY_REQ, tx, rx)))

    def on_request(self, data: bytes) -> None:
        """LL_PHY_REQ: a central decides, a peripheral says what it accepts."""
        procedures = self._procedures
        ours = procedures.running(pdu.LL_PHY_REQ)
        if self._link.role != 0:
            if ours:  # it loses against the central's, which goes on (5.3)
                self._peer_asked = True
            procedures.send(pdu.LL_PHY_RSP, bytes(self._accepted))
        elif ours:
            procedures.reject(pdu.LL_PHY_REQ, errors.LL_PROCEDURE_COLLISION)
        elif procedures.changes_agreed:
            procedures.reject(pdu.LL_PHY_REQ, errors.DIFFERENT_TRANSACTION_COLLISION)
        else:
            self._decide(data[0], data[1])

    def on_response(self, data: bytes) -> None:
        """LL_PHY_RSP to the central's request."""
        if self._link.role == 0 and self._procedures.running(pdu.LL_PHY_REQ):
            self._decide(data[0], data[1])

    def _decide(self, peer_tx: int, peer_rx: int) -> None:
        """Choose the fastest both ends accept, and tell the peripheral (5.1.10.1)."""
        link = self._link
        to_peer = _fastest(self._accepted[0] & peer_rx)
        from_peer = _fastest(self._accepted[1] & peer_tx)
        if to_peer == link.phy_tx:
            to_peer = 0
        if from_peer == link.phy_rx:
            from_peer = 0
        instant = self._procedures.instant()
        data = struct.pack("<BBH", _mask(to_peer), _mask(from_peer), instant)
        self._procedures.send(pdu.LL_PHY_UPDATE_IND, data)
        if to_peer or from_peer:
            self._expect(to_peer or link.phy_tx, from_peer or link.phy_rx, instant)
        else:
            self._finish(False)

    def on_indication(self, data: bytes) -> None:
        """LL_PHY_UPDATE_IND, which only a central sends."""
        link = self._link
        if link.role == 0:
            self._procedures.send(pdu.LL_UNKNOWN_RSP, bytes((pdu.LL_PHY_UPDATE_IND,)))
            return
        to_us, from_us, instant = struct.unpack_from("<BBH", data)
        if not to_us and not from_us:
            self._finish(False)
        else:
            self._expect(_fastest(from_us) or link.phy_tx, _fastest(to_us) or link.phy_rx, instant)

    def _expect(self, tx: int, rx: int, instant: int) -> None:
        if self._procedures.schedule(Change(instant, CHANGE_PHY, (tx, rx))):
            self.pending_tx = tx
            self._link.update_limits()

    def apply(self, tx: int, rx: int) -> None:
        """The instant has come."""
        changed = (tx, rx) != (self._link.phy_tx, self._link.phy_rx)
        self.pending_tx = 0
        self._link.apply_phy(tx, rx)
        self._finish(changed)

    def refused(self, reason: int) -> None:
        """The peer rejected LL_PHY_REQ, or does not know it."""
        if not self._peer_asked:  # otherwise the central's own procedure answers the host
            self._finish(False, reason)
        self._peer_asked = False

    def _finish(self, changed: bool, status: int = errors.SUCCESS) -> None:
        asked, self.asked = self.asked, False
        if asked or changed:
            self._link.radio.events.phy_update(self._link, status)
        self._procedures.done(pdu.LL_PHY_REQ)


def _fastest(mask: int) -> int:
    """The PHY number to use of a mask of PHYs, 0 for none of them."""
    for phy in (PHY_2M, PHY_1M, PHY_CODED):
        if mask & _mask(phy):
            return phy
    return 0


def _mask(phy: int) -> int:
    return 1 << (phy - 1) if phy else 0
