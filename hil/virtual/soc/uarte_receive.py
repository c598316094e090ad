"""The receiver of a UARTE (nRF52840 Product Specification, UARTE, Reception).

Bytes go to the RX buffer; when that is full and no STARTRX followed, into the internal FIFO. With flow
control RTS is deactivated when the FIFO has room for four bytes only, or by STOPRX; four more bytes can
still come in after that, until RXTO, and are moved to RAM by FLUSHRX. RXTO comes four byte times after STOPRX:
assumed, no source found for the exact time.
"""

from __future__ import annotations

import copy
import enum
from typing import TYPE_CHECKING

from hil.virtual.kernel import Event
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.uart_base import OVERRUN
from hil.virtual.uart import UartLine

if TYPE_CHECKING:
    from hil.virtual.soc.uarte import Uarte

FIFO = 5
"""Depth in bytes; not in the specification, Nordic's drivers reckon with it (UARTE_HW_RX_FIFO_SIZE)."""
RTS_RESERVE = 4


class State(enum.Enum):
    OFF = "off"
    BUFFER = "receiving into the RX buffer"
    FIFO = "buffer full, into the FIFO"
    STOPPING = "after STOPRX, into the FIFO until RXTO"


class UarteReceiver:
    STATE = (
        "_state",
        "_pointer",
        "_capacity",
        "_filled",
        "_fifo",
        "_since",
        "_event",
        "_timeout",
        "_overrun",
    )

    def __init__(self, uarte: Uarte, dma: EasyDma) -> None:
        self._uarte = uarte
        self._dma = dma
        self._state = State.OFF
        self._pointer = self._capacity = self._filled = 0
        self._fifo = bytearray()
        self._since: int | None = None
        """When the first queued byte began on the wire; None while the far end sends nothing."""
        self._event: Event | None = None
        self._timeout: Event | None = None
        self._overrun = False
        self._settling = False

    @property
    def ready(self) -> bool:
        """RTS asserted."""
        return self._state is State.BUFFER or (
            self._state is State.FIFO and len(self._fifo) < FIFO - RTS_RESERVE
        )

    @property
    def listening(self) -> bool:
        """Bytes that come in are taken."""
        self.settle()
        return self._state is not State.OFF

    def receive(self, byte: int) -> None:
        """One byte came in now, besides those that the far end has queued."""
        self._take(bytes([byte]))
        self._plan()

    def start(self) -> None:
        """STARTRX: latch PTR and MAXCNT, take over what the FIFO holds, receive."""
        uarte = self._uarte
        if not uarte.enabled or self._state is State.BUFFER:
            return
        self.settle()
        uarte.kernel.cancel(self._timeout)
        self._timeout = None
        self._state = State.BUFFER
        self._overrun = False
        self._pointer = uarte.values[uarte.RXD_PTR]
        self._capacity = uarte.values[uarte.RXD_MAXCNT]
        self._filled = 0
        uarte.fire(uarte.RXSTARTED)
        if self._fifo:
            moved = bytes(self._fifo[: self._capacity])
            del self._fifo[: len(moved)]
            self._into_buffer(moved)
        elif self._capacity == 0:
            self._end_buffer()
        self._plan()

    def stop(self) -> None:
        """STOPRX: RTS off, ENDRX if it has not come, RXTO after the time of four bytes."""
        uarte = self._uarte
        if not uarte.enabled:
            return
        self.settle()
        if self._state is State.BUFFER:
            self._state = State.STOPPING
            uarte.values[uarte.RXD_AMOUNT] = self._filled
            uarte.fire(uarte.ENDRX)
        # ENDRX may have started the receiver again through its shortcut.
        if self._state is not State.BUFFER:
            self._state = State.STOPPING
            uarte.kernel.cancel(self._timeout)
            self._timeout = uarte.kernel.after(RTS_RESERVE * uarte.byte_ticks, self._timed_out)
        self._plan()

    def flush(self) -> None:
        """FLUSHRX: move the FIFO to the RX buffer and end it.

        As on the chip RXD.AMOUNT keeps its value when the FIFO was empty (a bug, says Nordic's driver
        nrfx_uarte), so software that must tell the two apart compares the buffer with a pattern.
        """
        uarte = self._uarte
        self.settle()
        if not uarte.enabled or self._state is State.BUFFER:
            return
        if self._fifo:
            moved = bytes(self._fifo[: uarte.values[uarte.RXD_MAXCNT]])
            del self._fifo[: len(moved)]
            self._dma.write(uarte.values[uarte.RXD_PTR], moved, uarte.name)
            uarte.values[uarte.RXD_AMOUNT] = len(moved)
        uarte.fire(uarte.ENDRX)

    def settle(self) -> None:
        """Account for the bytes that have arrived by now, and plan what comes next."""
        if self._settling:
            return  # a shortcut or PPI task of an event below: the loop there goes on with what it changed
        line = self._uarte.rx_line()
        if line is None:
            self._since = None
            return
        self._settling = True
        try:
            self._take_arrived(line)
        finally:
            self._settling = False
        self._plan()

    def reset(self) -> None:
        kernel = self._uarte.kernel
        kernel.cancel(self._event)
        kernel.cancel(self._timeout)
        self._event = self._timeout = None
        self._state = State.OFF
        self._fifo.clear()
        self._since = None

    def save(self) -> object:
        return {name: copy.deepcopy(getattr(self, name)) for name in self.STATE}

    def restore(self, state: object) -> None:
        assert isinstance(state, dict)
        for name, value in state.items():
            setattr(self, name, copy.deepcopy(value))

    def _take_arrived(self, line: UartLine) -> None:
        ticks = self._uarte.byte_ticks
        now = self._uarte.kernel.now
        while self._since is not None and line.queue and self._since + ticks <= now:
            # A buffer that fills up in the middle hands over to the FIFO, or to the next buffer.
            count = min((now - self._since) // ticks, len(line.queue), max(1, self._room(line)))
            data = bytes(line.queue[:count])
            del line.queue[:count]
            self._since += count * ticks
            self._take(data)

    def _room(self, line: UartLine) -> int:
        """How many bytes can come before something changes."""
        if self._uarte.observed(self._uarte.RXDRDY):
            return 1
        if self._state is State.BUFFER:
            return self._capacity - self._filled
        if self._state is State.OFF or len(self._fifo) >= FIFO:
            return len(line.queue)
        if self._state is State.FIFO and line.flow_control:
            return max(1, FIFO - RTS_RESERVE - len(self._fifo))
        return FIFO - len(self._fifo)

    def _plan(self) -> None:
        """Schedule the end of the next burst, from a settled state."""
        uarte = self._uarte
        kernel = uarte.kernel
        line = uarte.rx_line()
        if line is None or not line.queue:
            self._since = None
            self._expect(None)
            return
        now = kernel.now
        sends = not line.flow_control or uarte.request_to_send(line)
        if self._since is None or (not sends and self._since >= now):
            self._since = now if sends else None
        if self._since is None:
            self._expect(None)
            return
        count = min(len(line.queue), self._room(line)) if sends else 1
        self._expect(self._since + count * uarte.byte_ticks)

    def _expect(self, when: int | None) -> None:
        """Let the burst under way end at tick `when`; None: there is none."""
        if self._event is not None:
            if self._event.when == when and self._event.pending:
                return
            self._uarte.kernel.cancel(self._event)
        self._event = None if when is None else self._uarte.kernel.at(when, self._burst_ended)

    def _burst_ended(self) -> None:
        self._event = None
        self.settle()

    def _take(self, data: bytes) -> None:
        uarte = self._uarte
        if self._state is State.OFF:
            return
        if self._state is State.BUFFER:
            self._into_buffer(data)
        else:
            room = FIFO - len(self._fifo)
            self._fifo += data[:room]
            if len(data) > room and not self._overrun:
                self._overrun = True
                uarte.error(OVERRUN)
        uarte.fire(uarte.RXDRDY)

    def _into_buffer(self, data: bytes) -> None:
        self._dma.write(self._pointer + self._filled, data, self._uarte.name)
        self._filled += len(data)
        if self._filled >= self._capacity:
            self._end_buffer()

    def _end_buffer(self) -> None:
        uarte = self._uarte
        self._state = State.FIFO
        uarte.values[uarte.RXD_AMOUNT] = self._filled
        uarte.fire(uarte.ENDRX)

    def _timed_out(self) -> None:
        self.settle()
        self._timeout = None
        if self._state is State.STOPPING:
            self._state = State.OFF
            self._uarte.fire(self._uarte.RXTO)
        self._plan()
