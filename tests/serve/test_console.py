"""A UART of the kit over TCP."""

from __future__ import annotations

import time
from pathlib import Path

import serial

from tests.serve.served import PATIENCE_S, Served


def test_the_console_is_raw_bytes_over_tcp_and_keeps_what_nobody_read(tmp_path: Path) -> None:
    with Served(tmp_path, "--bundled", "--console-port", "0") as served:
        assert served["console"].startswith("socket://127.0.0.1:")
        with serial.serial_for_url(served["console"], timeout=0.2) as port:
            said = b""
            until = time.monotonic() + PATIENCE_S
            while b"app: version" not in said and time.monotonic() < until:
                said += port.read(4096)
        assert b"app: version" in said
