"""Instruments on USB and on the network, as PyVISA finds them."""

from __future__ import annotations

from hil.discovery.found import Found


def find() -> list[Found]:
    """The VISA resources that are no serial ports: any port could be an instrument, and they are listed as ports."""
    import pyvisa

    manager = pyvisa.ResourceManager("@py")
    names = [name for name in manager.list_resources() if not name.upper().startswith("ASRL")]
    return [Found("visa", name, name) for name in sorted(names)]
