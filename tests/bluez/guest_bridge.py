"""In the guest: makes a Bluetooth controller of the kernel out of the bytes that come through the virtio port.

/dev/vhci takes and gives one packet a call, of HCI's UART format (Core 5.4, Vol 4, Part A), and the port is a
stream: so packets are put together here. Writing FF 00 first creates the controller (Linux,
drivers/bluetooth/hci_vhci.c).
"""

import os
import select
import struct
import sys

COMMAND, ACL, SCO, EVENT, ISO = 1, 2, 3, 4, 5
HEADERS = {COMMAND: (3, "<xxB"), ACL: (4, "<xxH"), SCO: (3, "<xxB"), EVENT: (2, "<xB"), ISO: (4, "<xxH")}


def packets(buffer: bytearray):
    """Take whole packets off the front of the stream."""
    while buffer:
        if buffer[0] not in HEADERS:
            raise SystemExit(f"bridge: 0x{buffer[0]:02x} begins no HCI packet")
        size, form = HEADERS[buffer[0]]
        if len(buffer) < 1 + size:
            return
        (length,) = struct.unpack(form, bytes(buffer[1 : 1 + size]))
        end = 1 + size + length
        if len(buffer) < end:
            return
        yield bytes(buffer[:end])
        del buffer[:end]


def main(port_name: str) -> None:
    port = os.open(port_name, os.O_RDWR)
    vhci = os.open("/dev/vhci", os.O_RDWR)
    os.write(vhci, bytes((0xFF, 0x00)))
    stream = bytearray()
    while True:
        ready, _, _ = select.select([port, vhci], [], [])
        if port in ready:
            data = os.read(port, 4096)
            if not data:
                raise SystemExit("bridge: the controller is gone")
            stream += data
            for packet in packets(stream):
                os.write(vhci, packet)
        if vhci in ready:
            packet = os.read(vhci, 4096)
            if packet[:1] == b"\xff":  # the kernel's word that the controller was made
                continue
            sent = 0
            while sent < len(packet):
                sent += os.write(port, packet[sent:])


if __name__ == "__main__":
    main(sys.argv[1])
