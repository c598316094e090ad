"""The upload of one image: a window of requests in flight, resumed by offset after a drop.

The device answers each request with the offset it wants next. As long as that is the end of the request,
the transfer streams ahead. When it is not (the device had no buffer for a request, or restarted), the rest
of the window is drained, the window halved, and sending goes on from where the device says.

The first request of an upload carries length and SHA-256, and is followed at once by as many as the device
has buffers for; the device takes up an unfinished upload of the same SHA by answering with its offset. On a
resume it carries only the 32 bytes of image header that servers insist on, so that no bandwidth is spent on
what the device has.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smp.image_management import ImageUploadWriteRequest, ImageUploadWriteResponse

from hil.dfu.chunks import first_capacity, later_capacity
from hil.dfu.errors import MgmtBusy, MgmtNoMemory, SmpResultError, SmpTimeout, TransferError
from hil.dfu.image import UpdateImage
from hil.dfu.parameters import Parameters
from hil.dfu.smp_client import Answer, SmpClient
from hil.errors import InputError

FIRST_TIMEOUT_S = 40.0
"""For the first request: many devices erase the whole slot before they answer it."""
CHUNK_TIMEOUT_S = 10.0
MAX_STALLS = 6
"""Consecutive set-backs (time-out, rewind, busy) without a byte of progress before giving up."""
WIDEN_AFTER = 16
"""Good answers in a row after which a window that was halved grows by one request."""

_HEADER_SIZE = 32  # MCUboot image header, which the first request must hold
_BUSY_PAUSE_S = 0.1
_WHAT = "image upload"


@dataclass(frozen=True)
class Progress:
    """Where an upload stands: bytes the device has confirmed, of how many, and its speed in this run."""

    offset: int
    total: int
    elapsed_s: float
    goodput_bytes_per_s: float

    @property
    def fraction(self) -> float:
        return self.offset / self.total if self.total else 1.0


@dataclass(frozen=True)
class Outcome:
    """What one run of a transfer did; times are the bench's."""

    bytes: int
    """Image bytes that the device confirmed in this run."""
    resent_bytes: int
    """Image bytes sent in this run that had been sent before (the header in a resume request aside)."""
    start_offset: int
    """Where the device said this run begins."""
    end_offset: int
    duration_s: float
    requests: int
    stalls: int
    """Set-backs: time-outs, rewinds and waits because the device was busy."""
    window: int
    window_bytes: int

    @property
    def goodput_bytes_per_s(self) -> float:
        return self.bytes / self.duration_s if self.duration_s > 0 else 0.0


ProgressCallback = Callable[[Progress], None]


@dataclass
class _Run:
    """The figures of the run under way."""

    started_s: float = 0.0
    start_offset: int = 0
    requests: int = 0
    stalls: int = 0
    resent: int = 0


class Upload:
    """The state of one upload, over as many connections as it takes. `begin` on each, then `advance`."""

    def __init__(
        self,
        image: UpdateImage,
        *,
        image_number: int = 0,
        upgrade: bool = False,
        window: int | None = None,
        message_limit: int | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> None:
        if not image.data:
            raise InputError("the image to upload is empty")
        if window is not None and window < 1:
            raise InputError(f"upload window {window}: it must be 1 request or more")
        if message_limit is not None and message_limit < 1:
            raise InputError(f"upload messages of {message_limit} bytes: it must be 1 or more")
        self.image = image
        self.total = len(image.data)
        self.confirmed = 0
        """Bytes the device has confirmed."""
        self.window = 1
        """Requests in flight at most, now."""
        self.window_bytes = 0
        """Image bytes in flight at most, on the present connection."""
        self._sha = hashlib.sha256(image.data).digest()
        self._image_number = image_number
        self._upgrade = upgrade
        self._wanted_window = window
        self._message_limit = message_limit
        self._on_progress = on_progress
        self._client: SmpClient | None = None
        self._limit = 0
        self._next = 0
        self._furthest = 0
        self._in_flight: deque[tuple[int, Answer[ImageUploadWriteResponse]]] = deque()
        self._full_window = 1
        self._good_in_a_row = 0
        self._stalls_in_a_row = 0
        self._begun_once = False
        self._run = _Run()

    @property
    def is_complete(self) -> bool:
        return self.confirmed >= self.total and not self._in_flight

    # Beginning

    async def begin(self, client: SmpClient, parameters: Parameters | None) -> int:
        """Announce the upload on a connection; return the offset the device wants next.

        `parameters` None means that the device does not tell its buffers: one request at a time, of one
        small buffer. Raises as `SmpClient.request` does, TransferError if the device's buffer is too small.
        """
        buffer_size, buffers = (parameters.buf_size, parameters.buf_count) if parameters else (256, 1)
        self._client = client
        self._in_flight.clear()
        self._limit = client.transport.message_size(min(buffer_size, self._message_limit or buffer_size))
        # One buffer is left to the device for its answer: Zephyr takes answers from the same pool.
        self.window = max(1, min(buffers - 1, client.transport.useful_window(self._limit), 255))
        if self._wanted_window is not None:
            self.window = min(self._wanted_window, max(1, buffers), client.transport.max_window)
        self._full_window = self.window
        self.window_bytes = self.window * later_capacity(self._limit, 0)
        self._stalls_in_a_row = 0
        self._run = _Run(started_s=asyncio.get_running_loop().time())
        sent, offset = await self._announce(client)
        self._begun_once = True
        if self._in_flight:
            # The device was sent more before it said where it wants to begin.
            self._run.start_offset = 0 if offset == sent else offset
            if offset == sent:
                self.confirmed = offset
            else:
                await self._drop_ahead(offset)
            self._report()
            return self.confirmed
        # The end of what was sent means that the device took it: it begins at 0.
        self._run.start_offset = 0 if offset == sent else offset
        self._move_to(offset)
        self._report()
        return offset

    async def _announce(self, client: SmpClient) -> tuple[int, int]:
        """Send the first request; return the bytes of image in it, and the offset the device wants."""
        fields: dict[str, Any] = {"off": 0, "len": self.total, "sha": self._sha}
        if self._image_number:
            fields["image"] = self._image_number
        if self._upgrade:
            fields["upgrade"] = True
        empty = len(bytes(ImageUploadWriteRequest(sequence=0, data=b"", **fields)))
        size = min(first_capacity(self._limit, empty), self.total)
        if size < min(_HEADER_SIZE, self.total):
            raise TransferError(
                f"{_WHAT}: the device takes messages of {self._limit} bytes, too few for the first request"
            )
        if self._begun_once:
            size = min(size, _HEADER_SIZE)
        fields["data"] = self.image.data[:size]
        self._run.requests += 1
        self._furthest = max(self._furthest, size)
        attempts = 2
        if not self._begun_once and self.window > 1:
            try:
                return size, await self._stream_ahead(client, size, fields)
            except SmpTimeout:
                attempts = 1
        response = await client.request(
            ImageUploadWriteRequest,
            ImageUploadWriteResponse,
            _WHAT,
            timeout_s=FIRST_TIMEOUT_S,
            attempts=attempts,
            **fields,
        )
        return size, self._offset_of(response)

    async def _stream_ahead(self, client: SmpClient, size: int, fields: dict[str, Any]) -> int:
        """Send the first request and fill the window behind it, as if the device began at 0, which it does most of
        the time; return the offset that it wants.

        While it prepares its flash, for which many take longer than for all else, the radio is used. If it takes up
        an unfinished upload instead, the window was in vain.
        """
        first = await client.send(ImageUploadWriteRequest, ImageUploadWriteResponse, _WHAT, **fields)
        self._next = size
        self.window -= 1  # the first request takes a buffer
        try:
            await self._fill_window(self.total)
            return self._offset_of(await first.result(FIRST_TIMEOUT_S))
        except BaseException:
            first.forget()
            self._forget_in_flight()
            raise
        finally:
            self.window += 1

    # Streaming

    async def advance(self, until: int | None = None) -> None:
        """Send until the device has confirmed `until` bytes (default: all), leaving a window in flight.

        Raises the device's SmpResultError, LinkLost, SmpTimeout or TransferError after `MAX_STALLS` set-backs
        without progress. After LinkLost the upload can `begin` again on a new connection.
        """
        if self._client is None:
            raise InputError("the upload was not begun on a connection")
        target = self.total if until is None else min(until, self.total)
        try:
            while self.confirmed < target:
                await self._fill_window(target)
                await self._take_answer()
            await self._fill_window(target)  # what is left in flight when the caller stops half-way
        except BaseException:
            self._forget_in_flight()
            raise

    def outcome(self) -> Outcome:
        """The figures of the run since `begin`."""
        run = self._run
        return Outcome(
            bytes=max(0, self.confirmed - run.start_offset),
            resent_bytes=run.resent,
            start_offset=run.start_offset,
            end_offset=self.confirmed,
            duration_s=asyncio.get_running_loop().time() - run.started_s,
            requests=run.requests,
            stalls=run.stalls,
            window=self.window,
            window_bytes=self.window_bytes,
        )

    async def _fill_window(self, target: int) -> None:
        while len(self._in_flight) < self.window and self._next < self.total:
            offset = self._next
            end = min(offset + later_capacity(self._limit, offset), self.total)
            if offset < target:
                end = min(end, target)  # so that the caller stops where it asked to
            if end == offset:
                raise TransferError(f"{_WHAT}: messages of {self._limit} bytes leave no room for data")
            answer = await self._started.send(
                ImageUploadWriteRequest,
                ImageUploadWriteResponse,
                _WHAT,
                off=offset,
                data=self.image.data[offset:end],
            )
            self._in_flight.append((end, answer))
            self._run.requests += 1
            self._run.resent += max(0, min(end, self._furthest) - offset)
            self._furthest = max(self._furthest, end)
            self._next = end

    async def _take_answer(self) -> None:
        """Wait for the oldest answer and follow it."""
        end, answer = self._in_flight.popleft()
        try:
            response = await answer.result(CHUNK_TIMEOUT_S)
        except SmpTimeout as error:
            # Which of the requests in flight arrived is unknown: ask by sending the oldest bytes again.
            self._forget_in_flight()
            self._set_back(error)
            self._next = self.confirmed
            return
        except (MgmtBusy, MgmtNoMemory) as error:
            self._set_back(error)
            await self._follow(self.confirmed)
            await asyncio.sleep(_BUSY_PAUSE_S)
            return
        offset = self._offset_of(response)
        if offset == end:
            self._stalls_in_a_row = 0
            self.confirmed = offset
            self._widen()
            self._report()
        else:
            self._set_back(TransferError(f"{_WHAT}: the device wants offset {offset} after {end} was sent"))
            await self._follow(offset)

    async def _follow(self, offset: int) -> None:
        """Drain the window, then go on from the offset the device named last."""
        for _, answer in list(self._in_flight):
            self._in_flight.popleft()
            try:
                offset = self._offset_of(await answer.result(CHUNK_TIMEOUT_S))
            except (SmpTimeout, MgmtBusy, MgmtNoMemory):
                continue
        self._move_to(offset)

    async def _drop_ahead(self, offset: int) -> None:
        """Drain what was sent ahead of the answer to the first request, which named `offset`.

        Only that answer is about the whole upload: a device that has it complete begins none, and answers 0 to the
        rest, or refuses them. Where it took one of them after all, its offset is the higher one.
        """
        while self._in_flight:
            _, answer = self._in_flight.popleft()
            try:
                offset = max(offset, self._offset_of(await answer.result(CHUNK_TIMEOUT_S)))
            except (SmpTimeout, SmpResultError):
                continue
        self._move_to(offset)

    def _move_to(self, offset: int) -> None:
        if offset > self.confirmed:
            self._stalls_in_a_row = 0
        self.confirmed = self._next = offset

    def _widen(self) -> None:
        """After a set-back, take the window back up by one request for every few good answers."""
        self._good_in_a_row += 1
        if self._good_in_a_row >= WIDEN_AFTER and self.window < self._full_window:
            self.window += 1
            self._good_in_a_row = 0

    def _set_back(self, error: Exception) -> None:
        self.window = max(1, self.window // 2)
        self._good_in_a_row = 0
        self._run.stalls += 1
        self._stalls_in_a_row += 1
        if self._stalls_in_a_row >= MAX_STALLS:
            if isinstance(error, SmpTimeout | MgmtBusy | MgmtNoMemory):
                raise error
            raise TransferError(f"{error}; no progress in {MAX_STALLS} attempts") from error

    def _forget_in_flight(self) -> None:
        for _, answer in self._in_flight:
            answer.forget()
        self._in_flight.clear()

    def _offset_of(self, response: ImageUploadWriteResponse) -> int:
        if response.off is None or not 0 <= response.off <= self.total:
            raise TransferError(f"{_WHAT}: the device answers offset {response.off} of {self.total}")
        self._check_match(response)
        return response.off

    def _check_match(self, response: ImageUploadWriteResponse) -> None:
        if response.match is False:
            raise TransferError(f"{_WHAT}: what the device stored does not have the SHA-256 of what was sent")

    def _report(self) -> None:
        if self._on_progress is None:
            return
        elapsed = asyncio.get_running_loop().time() - self._run.started_s
        done = self.confirmed - self._run.start_offset
        self._on_progress(
            Progress(self.confirmed, self.total, elapsed, done / elapsed if elapsed > 0 else 0.0)
        )

    @property
    def _started(self) -> SmpClient:
        assert self._client is not None
        return self._client
