"""A small SMP server that holds clients to the protocol, for tests without firmware.

It has the buffers it tells of and no more: a request longer than one, or one that arrives while all are
taken, is a violation and is counted. Chunks must follow each other by offset. An upload is resumed by SHA.
Each request takes processing time, as writing flash does.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

import cbor2

HEADER = struct.Struct(">BBHHBB")
SLOT_SIZE = 460 * 1024


class SmpServer:
    """Feed it request bytes (`feed`), in any pieces; it calls `send` with whole response messages."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        *,
        buf_size: int = 2475,
        buf_count: int = 4,
        seconds_per_byte: float = 0.0,
        seconds_per_request: float = 0.0,
    ) -> None:
        self.send = send
        self.buf_size = buf_size
        self.buf_count = buf_count
        self.seconds_per_byte = seconds_per_byte
        self.seconds_per_request = seconds_per_request
        self.violations: list[str] = []
        self.requests: list[tuple[int, int, int, dict[str, Any]]] = []
        self.received = bytearray()
        self.upload_length = 0
        self.upload_sha = b""
        self.forgets_complete = False
        """Once an upload is complete none is under way, and requests of none are answered with offset 0."""
        self.slots: list[dict[str, Any]] = []
        self.fail: Callable[[int, int, dict[str, Any]], dict[str, Any] | None] = lambda *_: None
        """Return an answer to give instead of carrying a request out."""
        self.swallow: Callable[[int], bool] = lambda _: False
        """True for the number of a request that is lost without an answer."""
        self.resets = 0
        self.on_reset: Callable[[], None] = lambda: None
        self._input = bytearray()
        self._queue: deque[bytes] = deque()
        self._busy = False
        self._count = 0

    # Bytes in

    def feed(self, data: bytes) -> None:
        """Request bytes from the client."""
        self._input += data
        while len(self._input) >= HEADER.size:
            length = HEADER.size + HEADER.unpack_from(self._input)[2]
            if length > self.buf_size:
                self.violations.append(f"a request of {length} bytes for a buffer of {self.buf_size}")
                self._input.clear()
                return
            if len(self._input) < length:
                return
            message = bytes(self._input[:length])
            del self._input[:length]
            self._accept(message)

    def link_lost(self) -> None:
        """Forget half a request and what was not begun; the upload's state stays."""
        self._input.clear()
        self._queue.clear()

    def _accept(self, message: bytes) -> None:
        self._count += 1
        if self.swallow(self._count):
            return
        if len(self._queue) + self._busy >= self.buf_count:
            self.violations.append(f"request {self._count} found no free buffer")
            return
        self._queue.append(message)
        self._start_next()

    def _start_next(self) -> None:
        if self._busy or not self._queue:
            return
        self._busy = True
        message = self._queue.popleft()
        duration = self.seconds_per_request + self.seconds_per_byte * len(message)
        asyncio.get_running_loop().call_later(duration, self._finish, message)

    def _finish(self, message: bytes) -> None:
        self._busy = False
        operation, _, _, group, sequence, command = HEADER.unpack_from(message)
        payload = cbor2.loads(message[HEADER.size :])
        self.requests.append((operation & 7, group, command, payload))
        answer = self.fail(group, command, payload)
        if answer is None:
            answer = self._carry_out(operation & 7, group, command, payload)
        body = cbor2.dumps(answer)
        self.send(HEADER.pack((operation & 7) + 1 | 1 << 3, 0, len(body), group, sequence, command) + body)
        self._start_next()

    # Commands

    def _carry_out(self, operation: int, group: int, command: int, payload: dict[str, Any]) -> dict[str, Any]:
        match (operation, group, command):
            case (2, 0, 0):
                return {"r": payload["d"]}
            case (2, 0, 5):
                self.resets += 1
                asyncio.get_running_loop().call_later(0.01, self.on_reset)
                return {}
            case (0, 0, 6):
                return {"buf_size": self.buf_size, "buf_count": self.buf_count}
            case (0, 0, 8):
                return {"mode": 9, "no-downgrade": True} if "query" in payload else {"bootloader": "MCUboot"}
            case (0, 1, 0):
                return {"images": self.slots, "splitStatus": 0}
            case (2, 1, 0):
                return self._set_state(payload)
            case (2, 1, 1):
                return self._upload(payload)
            case (2, 1, 5):
                self.received.clear()
                return {}
            case _:
                return {"rc": 8}

    def _set_state(self, payload: dict[str, Any]) -> dict[str, Any]:
        for slot in self.slots:
            if ("hash" not in payload and slot.get("active")) or slot["hash"] == payload.get("hash"):
                slot["confirmed" if payload.get("confirm") else "pending"] = True
                return {"images": self.slots}
        return {"err": {"group": 1, "rc": 8}}

    def _upload(self, payload: dict[str, Any]) -> dict[str, Any]:
        offset, data = payload["off"], payload["data"]
        if offset == 0:
            if len(data) < 32 or payload["len"] > SLOT_SIZE:
                return {"err": {"group": 1, "rc": 22 if len(data) < 32 else 30}}
            if payload.get("sha") == self.upload_sha and self.received:
                return {"off": len(self.received)}
            self.received.clear()
            self.upload_length = payload["len"]
            self.upload_sha = payload.get("sha", b"")
        elif set(payload) != {"off", "data"}:
            self.violations.append(f"fields {sorted(payload)} at offset {offset}")
        if offset != len(self.received):
            over = self.forgets_complete and len(self.received) == self.upload_length
            return {"off": 0 if over else len(self.received)}
        if offset + len(data) > self.upload_length:
            return {"err": {"group": 1, "rc": 31}}
        self.received += data
        answer: dict[str, Any] = {"off": len(self.received)}
        if len(self.received) == self.upload_length and self.upload_sha:
            answer["match"] = hashlib.sha256(self.received).digest() == self.upload_sha
        return answer
