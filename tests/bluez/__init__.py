"""A Debian with real BlueZ in QEMU, whose Bluetooth controller is one of the virtual bench: bleak runs there
unmodified.
"""
