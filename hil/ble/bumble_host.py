"""Bumble's host and device without the cost of its log.

Bumble formats every packet for its debug log even when that log is off, which is more than half of
the time of a transfer. The few functions that every data packet passes are replaced here by ones
that skip the text; with the log on, Bumble's own run.
"""

from __future__ import annotations

import logging
import struct

from bumble import att, hci
from bumble.device import Connection, Device
from bumble.host import Host

_host_log = logging.getLogger("bumble.host")
_gatt_log = logging.getLogger("bumble.gatt_client")

_NOTIFICATION = int(att.Opcode.ATT_HANDLE_VALUE_NOTIFICATION)
_WRITE_COMMAND = int(att.Opcode.ATT_WRITE_COMMAND)


class QuietHost(Host):
    """Bumble's host, silent unless its log is at DEBUG."""

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if _host_log.isEnabledFor(logging.DEBUG):
            super().send_hci_packet(packet)
        elif self.hci_sink is not None:
            self.hci_sink.on_packet(bytes(packet))

    def on_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if _host_log.isEnabledFor(logging.DEBUG):
            super().on_hci_packet(packet)
        elif isinstance(packet, hci.HCI_AclDataPacket):
            self.on_hci_acl_data_packet(packet)
        elif isinstance(packet, hci.HCI_Event):
            self.on_hci_event_packet(packet)
        else:
            super().on_hci_packet(packet)


class QuietDevice(Device):
    """Bumble's device, handing notifications straight to their subscribers."""

    def on_gatt_pdu(self, connection_handle: int, pdu: bytes) -> None:
        if len(pdu) >= 3 and pdu[0] == _NOTIFICATION and not _gatt_log.isEnabledFor(logging.DEBUG):
            (handle,) = struct.unpack_from("<H", pdu, 1)
            connection = self.lookup_connection(connection_handle)
            if connection is None:
                return  # it was in the controller when the link went
            subscribers = connection.gatt_client.notification_subscribers.get(handle, ())
            for subscriber in tuple(subscribers):
                if callable(subscriber):  # the others are Bumble's proxies, which nobody listens to
                    subscriber(pdu[3:])
            return
        super().on_gatt_pdu(connection_handle, pdu)


def send_write_command(connection: Connection, handle: int, value: bytes) -> None:
    """Queue an ATT Write Command (Core 5.4, Vol 3, Part F, 3.4.5.3)."""
    connection.send_l2cap_pdu(att.ATT_CID, struct.pack("<BH", _WRITE_COMMAND, handle) + value)
