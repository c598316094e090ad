"""Data length of a connection: what both ends may send (Core 5.4, Vol 6 Part B, 4.5.10)."""

from __future__ import annotations

from hil.airtime import CODED_MIN_TX_TIME_US, Phy, effective_tx_time_us
from hil.virtual.air.medium import CODING_S2, PHY_2M, PHY_CODED


def phy_of(number: int, coding: int) -> Phy:
    """The PHY, coding included, behind an HCI PHY number."""
    if number == PHY_CODED:
        return Phy.LE_CODED_S2 if coding == CODING_S2 else Phy.LE_CODED_S8
    return Phy.LE_2M if number == PHY_2M else Phy.LE_1M


class Limits:
    """Our limits and the peer's, in octets and us."""

    def __init__(self, tx_octets: int, tx_time: int) -> None:
        self.tx_octets = tx_octets
        self.tx_time = tx_time
        self.rx_octets = 251
        self.rx_time = 17040
        self.remote_tx_octets = 27
        self.remote_tx_time = 328
        self.remote_rx_octets = 27
        self.remote_rx_time = 328

    @property
    def effective_tx_octets(self) -> int:
        return min(self.tx_octets, self.remote_rx_octets)

    @property
    def effective_rx_octets(self) -> int:
        return min(self.rx_octets, self.remote_tx_octets)

    def effective_tx_time(self, phy: Phy, interval_us: int) -> int:
        """connEffectiveMaxTxTime in us."""
        return effective_tx_time_us(
            phy,
            interval_us,
            self.tx_time,
            self.remote_rx_time,
            self.effective_rx_octets,
            self.rx_time,
            self.remote_tx_time,
        )

    def effective_rx_time(self, coded: bool) -> int:
        """connEffectiveMaxRxTime in us."""
        uncoded = min(self.rx_time, self.remote_tx_time)
        return max(CODED_MIN_TX_TIME_US, uncoded) if coded else uncoded
