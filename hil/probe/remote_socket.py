"""The socket of a probe that pyOCD reaches over TCP, with an end to every wait."""

from __future__ import annotations

import time

from pyocd.utility.sockets import ClientSocket

ANSWER_TIMEOUT_S = 20.0
"""More than a probe server that another client keeps busy takes: that of `hil serve` gives up its lock after 10 s."""
_LINE_LIMIT = 1 << 20


class BoundedSocket(ClientSocket):  # type: ignore[misc]  # pyOCD is not typed
    """pyOCD's own reads on for ever when the server has hung up or has fallen silent.

    `readline` raises ConnectionResetError and TimeoutError then, and ConnectionError for a line without an end.
    """

    def readline(self) -> bytes:
        until = time.monotonic() + ANSWER_TIMEOUT_S
        while b"\n" not in self._buffer:
            try:
                data = self.read()
            except TimeoutError:
                if time.monotonic() >= until:
                    raise TimeoutError(
                        f"the probe server does not answer in {ANSWER_TIMEOUT_S:g} s"
                    ) from None
                continue
            if not data:
                raise ConnectionResetError("the probe server has hung up")
            self._buffer += data
            if len(self._buffer) > _LINE_LIMIT:
                raise ConnectionError("the probe server sends a line without an end")
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        return line + b"\n"
