"""What a program left behind on a machine, whichever it was."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.differential.layout import FINISHED, PROGRESS, RESULTS


@dataclass(frozen=True)
class Outcome:
    """`results` are the bytes from RESULTS on; `trouble` says why the program did not end, or is empty."""

    machine: str
    results: bytes
    trouble: str = ""

    @property
    def progress(self) -> int:
        """How far the program came: the number of the last case begun, or of words traced."""
        return int(struct.unpack_from("<I", self.results, PROGRESS - RESULTS)[0])

    @property
    def finished(self) -> bool:
        """Whether the program came to its end."""
        return struct.unpack_from("<I", self.results, PROGRESS - RESULTS + 4)[0] == FINISHED
