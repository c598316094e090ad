"""Let programs that use bleak without choosing a backend run on a `Radio`.

bleak picks the backend of the operating system through two functions when none is passed; a program
such as smpclient's BLE transport passes none. Inside `bleak_on(radio)` those two return the radio's
backends, so that the program runs unmodified.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from hil.ble.radio import Radio


@contextmanager
def bleak_on(radio: Radio) -> Iterator[None]:
    """Make `radio` the platform's Bluetooth for all of bleak, in this process, for the block."""
    scanner, client = radio.scanner_backend, radio.client_backend
    with (
        patch("bleak.get_platform_scanner_backend_type", lambda: (scanner, scanner.__name__)),
        patch("bleak.get_platform_client_backend_type", lambda: (client, client.__name__)),
    ):
        yield
