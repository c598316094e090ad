"""Recognises the last words of firmware that gave up: a fault, a failed assertion, a boot that has nothing to start.

What each line looks like is taken from the sources named beside it; they are read from a device, so a match only ever
looks at a line of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hil.errors import InputError

KNOWN = (
    r">>> ZEPHYR FATAL ERROR \d+",  # Zephyr, kernel/fatal.c
    r"\*{5} (?:MPU|BUS|USAGE|HARD|SECURE|Debug) ?\w* ?FAULT \*{5}",  # Zephyr, arch/arm/core/cortex_m/fault.c
    r"ASSERTION FAIL \[",  # Zephyr, lib/os/assert.c
    r"Unable to find bootable image",  # MCUboot, boot/zephyr/main.c
    r"FATAL ERROR: 0x[0-9a-fA-F]+",  # nRF5 SDK
    r"\bFatal error\b.*\bapp_error\b",  # nRF5 SDK, app_error_weak.c
    r"vApplicationStackOverflowHook",  # FreeRTOS
    r"^app: fault cfsr [0-9a-f]+",  # the bundled application, firmware/app/fault_report.c
    r"^boot: no valid image\b",  # the bundled bootloader, firmware/boot/main.c
)
MOST = 100
"""Lines that are kept; firmware that faults again and again must not fill the memory."""


class PanicWatch:
    """Looks at each line of a console. `more` are the rig file's own patterns, regular expressions."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        patterns = []
        for pattern in (*KNOWN, *more):
            try:
                patterns.append(re.compile(pattern))
            except re.error as error:
                raise InputError(f'console.panic: "{pattern}" is not a regular expression: {error}') from None
        self._patterns = tuple(patterns)
        self.lines: list[str] = []
        """What was recognised, the first MOST of them, with the time of each."""
        self.count = 0

    def recognises(self, text: str) -> bool:
        """Whether this line is such a one."""
        return any(pattern.search(text) for pattern in self._patterns)

    def look(self, text: str, stamped: str) -> None:
        """Look at one line; `stamped` is what is kept of it."""
        if self.recognises(text):
            self.count += 1
            if len(self.lines) < MOST:
                self.lines.append(stamped)
