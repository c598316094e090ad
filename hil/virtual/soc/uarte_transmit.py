"""The transmitter of a UARTE (nRF52840 Product Specification, UARTE, Transmission)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from hil.virtual.kernel import Event
from hil.virtual.soc.easydma import EasyDma

if TYPE_CHECKING:
    from hil.virtual.soc.uarte import Uarte


class Transmitter:
    """Sends TXD.MAXCNT bytes from TXD.PTR, pausing between bytes while CTS is not asserted."""

    STATE = ("_active", "_stopping", "_pointer", "_count", "_sent", "_since", "_held", "_event")

    def __init__(self, uarte: Uarte, dma: EasyDma) -> None:
        self._uarte = uarte
        self._dma = dma
        self._active = False
        self._stopping = False
        self._pointer = 0
        self._count = 0
        self._sent = 0
        self._since: int | None = None
        """When the first byte not settled yet began; None while nothing is on the wire."""
        self._held = False
        """The level of CTS seen last, to tell changes."""
        self._event: Event | None = None

    def start(self) -> None:
        """STARTTX."""
        uarte = self._uarte
        if not uarte.enabled:
            return
        self.settle()
        if self._active:
            return
        self._active = True
        self._stopping = False
        self._pointer = uarte.values[uarte.TXD_PTR]
        self._count = uarte.values[uarte.TXD_MAXCNT]
        self._sent = 0
        uarte.fire(uarte.TXSTARTED)
        self._plan()

    def stop(self) -> None:
        """STOPTX: the byte on the wire is finished, then ENDTX (if it has not come) and TXSTOPPED."""
        if not self._uarte.enabled:
            return
        self.settle()
        self._stopping = True
        self._plan()

    def clear_to_send_changed(self) -> None:
        """CTS may have changed: generate its events and hold or continue."""
        uarte = self._uarte
        held = not uarte.clear_to_send()
        if held != self._held:
            self.settle()
            self._held = held
            if uarte.enabled and uarte.flow_control:
                uarte.fire(uarte.NCTS if held else uarte.CTS)
            self._plan()

    def settle(self) -> None:
        """Account for the bytes that have left by now."""
        if self._since is None:
            return
        uarte = self._uarte
        ticks = uarte.byte_ticks
        done = min((uarte.kernel.now - self._since) // ticks, self._count - self._sent)
        if done <= 0:
            return
        data = self._dma.read(self._pointer + self._sent, done, uarte.name)
        self._sent += done
        self._since += done * ticks
        line = uarte.tx_line()
        if line is not None:
            line.deliver(data)
        uarte.fire(uarte.TXDRDY)

    def reset(self) -> None:
        self._uarte.kernel.cancel(self._event)
        self._event = None
        self._active = self._stopping = False
        self._since = None

    def save(self) -> object:
        return {name: copy.deepcopy(getattr(self, name)) for name in self.STATE}

    def restore(self, state: object) -> None:
        assert isinstance(state, dict)
        for name, value in state.items():
            setattr(self, name, copy.deepcopy(value))

    def _plan(self) -> None:
        """Decide what happens next, from a settled state."""
        uarte = self._uarte
        kernel = uarte.kernel
        kernel.cancel(self._event)
        self._event = None
        now = kernel.now
        if self._since is not None and self._since >= now:
            self._since = None  # between two bytes
        if (self._active and self._sent >= self._count) or (self._stopping and self._since is None):
            self._end()
        elif self._active:
            self._plan_bytes(now)

    def _plan_bytes(self, now: int) -> None:
        uarte = self._uarte
        hold = self._stopping or self._held
        if self._since is None:
            if hold:
                return
            self._since = now
        bytewise = hold or uarte.observed(uarte.TXDRDY)
        count = 1 if bytewise else self._count - self._sent
        self._event = uarte.kernel.at(self._since + count * uarte.byte_ticks, self._burst_ended)

    def _burst_ended(self) -> None:
        self._event = None
        self.settle()
        self._plan()

    def _end(self) -> None:
        uarte = self._uarte
        self._since = None
        if self._active:
            self._active = False
            uarte.values[uarte.TXD_AMOUNT] = self._sent
            uarte.fire(uarte.ENDTX)
        if self._stopping:
            self._stopping = False
            uarte.fire(uarte.TXSTOPPED)
