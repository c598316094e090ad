"""Separates what shares one UART: log text in lines, and SMP frames of the update protocol.

MCUboot's and Zephyr's SMP serial transport sends each packet as one or more lines: two marker bytes (0x06 0x09
for the first line of a packet, 0x04 0x14 for the following ones), base64, a line feed. No text log holds those
control characters, so the two can be told apart byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME_LIMIT = 4096
"""Bytes of one frame line, far above the 127 of the specification; a longer one is taken for text."""
LINE_LIMIT = 4096
"""Bytes of one text line; a longer one is broken here."""

_MARKERS = {0x06: 0x09, 0x04: 0x14}
_LINE_FEED = 0x0A


@dataclass(frozen=True)
class Text:
    """One whole line of text, without its line ending."""

    line: str


@dataclass(frozen=True)
class Frame:
    """One whole SMP frame line as it came, from its marker to its line feed."""

    data: bytes


class Splitter:
    """Feed it bytes as they come; it returns the lines and frames that are now complete."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._frame = bytearray()

    @property
    def partial(self) -> str:
        """Text since the last line feed, such as a prompt."""
        return _decode(self._text)

    def feed(self, data: bytes) -> list[Text | Frame]:
        """Take bytes; return what they completed, in order."""
        found: list[Text | Frame] = []
        for byte in data:
            if self._frame:
                self._feed_frame(byte, found)
            elif byte in _MARKERS:
                self._frame.append(byte)
            else:
                self._feed_text(byte, found)
        return found

    def flush(self) -> list[Text | Frame]:
        """What is left at the end, as text: an unfinished line or a frame that was cut off."""
        rest = bytes(self._text + self._frame)
        self._text.clear()
        self._frame.clear()
        return [Text(_decode(rest))] if rest else []

    def _feed_frame(self, byte: int, found: list[Text | Frame]) -> None:
        self._frame.append(byte)
        if len(self._frame) == 2 and byte != _MARKERS[self._frame[0]]:
            self._give_up(found)
        elif byte == _LINE_FEED:
            found.append(Frame(bytes(self._frame)))
            self._frame.clear()
        elif len(self._frame) >= FRAME_LIMIT:
            self._give_up(found)

    def _give_up(self, found: list[Text | Frame]) -> None:
        """It was no frame after all: its first byte is text, the rest is looked at again."""
        data = bytes(self._frame)
        self._frame.clear()
        self._feed_text(data[0], found)
        found.extend(self.feed(data[1:]) if len(data) < FRAME_LIMIT else self._as_text(data[1:]))

    def _as_text(self, data: bytes) -> list[Text | Frame]:
        found: list[Text | Frame] = []
        for byte in data:
            self._feed_text(byte, found)
        return found

    def _feed_text(self, byte: int, found: list[Text | Frame]) -> None:
        if byte != _LINE_FEED:
            self._text.append(byte)
        if byte == _LINE_FEED or len(self._text) >= LINE_LIMIT:
            found.append(Text(_decode(self._text)))
            self._text.clear()


def _decode(data: bytes | bytearray) -> str:
    """Text that a log file or terminal can show: control characters are escaped, bad UTF-8 replaced."""
    text = bytes(data).decode("utf-8", errors="replace").rstrip("\r")
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)
