"""What `hil serve` tells the outside: one line of JSON for programs, ready-made command lines for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Endpoints:
    """Where each tool reaches the bench. What there is not is None, or missing from a table."""

    swd: str
    """pyOCD's probe id, for -u."""
    target: str
    """pyOCD's target name, for -t."""
    console: str
    """Device file of the console, or socket://HOST:PORT."""
    uarts: dict[str, str]
    """Where all UARTs are that are free, by name."""
    supply: str
    """VISA resource of the supply."""
    hci: str | None
    """Bumble transport of the first spare controller."""
    controllers: dict[str, str]
    """Bumble transports of all spare controllers, by name."""
    btsnoop: str | None
    """Capture of the kit's HCI."""
    log: str | None
    """Copy of the messages on stderr."""
    state: str | None
    """Where flash and UICR are kept."""
    pid: int
    """The process, to send SIGTERM to."""
    volts: float
    """What the supply is set to."""

    def json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    def commands(self) -> Iterator[str]:
        """Command lines that work as they stand."""
        probe = f"-u {self.swd} -t {self.target}"
        yield f"pyocd flash {probe} APP.hex"
        yield f"pyocd gdbserver {probe}"
        yield f"pyocd rtt {probe}"
        yield f"HIL_KIT={self.swd} pyocd list"
        yield f"python -m serial.tools.miniterm --raw {self.console} 115200"
        yield f"smpmgr --port {self.console} image state-read"
        if self.hci is not None:
            yield f"bumble-scan {self.hci}"
        if self.btsnoop is not None:
            yield f"tshark -r {self.btsnoop}"
