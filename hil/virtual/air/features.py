"""What the virtual controller supports and says of itself."""

from __future__ import annotations

# LE features (Core 5.4, Vol 6 Part B, 4.6)
LE_ENCRYPTION = 1 << 0
CONNECTION_PARAMETERS_REQUEST = 1 << 1
EXTENDED_REJECT = 1 << 2
PERIPHERAL_FEATURES_EXCHANGE = 1 << 3
LE_PING = 1 << 4
DATA_PACKET_LENGTH_EXTENSION = 1 << 5
LE_2M_PHY = 1 << 8
LE_CODED_PHY = 1 << 11
CHANNEL_SELECTION_ALGORITHM_2 = 1 << 14

LOCAL_FEATURES = (
    LE_ENCRYPTION
    | CONNECTION_PARAMETERS_REQUEST
    | EXTENDED_REJECT
    | PERIPHERAL_FEATURES_EXCHANGE
    | LE_PING
    | DATA_PACKET_LENGTH_EXTENSION
    | LE_2M_PHY
    | LE_CODED_PHY
    | CHANNEL_SELECTION_ALGORITHM_2
)

VERSION = 0x0D
"""Bluetooth Core 5.4 (Assigned Numbers, 2.1)."""

MANUFACTURER = 0xFFFF
"""Not assigned to a company: internal use."""

SUBVERSION = 0x0001
