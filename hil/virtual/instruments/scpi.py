"""SCPI program messages: headers, parameters, the error queue and the IEEE 488.2 status registers.

The part of an instrument that every SCPI instrument shares. A concrete instrument registers its commands in
a `CommandTree` and reports trouble by raising ScpiError. Sources: SCPI-1999 volume 1 (syntax, chapter 6;
error numbers, volume 2 chapter 21) and IEEE 488.2-1992 (common commands, status reporting).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

MESSAGE_LIMIT = 1024
"""Bytes of one program message; a longer one is dropped with error -363."""
ERROR_QUEUE_DEPTH = 16
PARAMETER_LIMIT = 256
"""Parameters of one command; more is error -223, too much data."""

ESR_OPERATION_COMPLETE = 0x01
ESR_QUERY_ERROR = 0x04
ESR_DEVICE_ERROR = 0x08
ESR_EXECUTION_ERROR = 0x10
ESR_COMMAND_ERROR = 0x20
ESR_POWER_ON = 0x80

Handler = Callable[[list[str]], "str | None"]

_ERRORS = {
    -101: "Invalid character",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -131: "Invalid suffix",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:E[+-]?\d{1,3})?)\s*([A-Z]*)", re.IGNORECASE)
_HEADER = re.compile(r"(:?[A-Za-z][A-Za-z0-9_]*(?::[A-Za-z][A-Za-z0-9_]*)*|\*[A-Za-z]{3,4})(\??)(?=\s|$)")
_MULTIPLIERS = {"": 1.0, "M": 1e-3, "U": 1e-6, "K": 1e3}


class ScpiError(Exception):
    """A command that is refused, by its SCPI error number."""

    def __init__(self, number: int, detail: str = "") -> None:
        super().__init__(number, detail)
        self.number = number
        self.detail = detail

    def __str__(self) -> str:
        text = _ERRORS[self.number] + (f";{self.detail}" if self.detail else "")
        return text.replace('"', "'")


class ErrorQueue:
    """The queue behind SYSTem:ERRor?, bounded, with -350 in the last place when it overflowed."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, str]] = deque()

    def push(self, error: ScpiError) -> None:
        """Append an error; when the queue is full the last entry becomes -350, "Queue overflow"."""
        if len(self._entries) < ERROR_QUEUE_DEPTH:
            self._entries.append((error.number, str(error)))
        else:
            self._entries[-1] = (-350, _ERRORS[-350])

    def pop(self) -> str:
        """Oldest entry as `number,"text"`, or `0,"No error"`."""
        number, text = self._entries.popleft() if self._entries else (0, "No error")
        return f'{number:+d},"{text}"' if number else f'0,"{text}"'

    def clear(self) -> None:
        """Forget all errors."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def status_bit(number: int) -> int:
    """The event status bit that an error number sets (SCPI-1999 volume 2, 21.8)."""
    if -200 < number <= -100:
        return ESR_COMMAND_ERROR
    if -300 < number <= -200:
        return ESR_EXECUTION_ERROR
    if -500 < number <= -400:
        return ESR_QUERY_ERROR
    return ESR_DEVICE_ERROR


class CommandTree:
    """Commands by header; a pattern such as `[SOURce]:VOLTage` names long and short forms and optional nodes."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def add(self, pattern: str, handler: Handler) -> None:
        """Register a command, or a query when the pattern ends in "?"."""
        query = "?" if pattern.endswith("?") else ""
        for path in _expand(pattern.rstrip("?")):
            self._handlers[path + query] = handler

    def find(self, path: str) -> Handler | None:
        """Handler of an absolute header in any case, or None."""
        return self._handlers.get(path.upper())


def _expand(pattern: str) -> list[str]:
    """Every spelling of a pattern, in capitals."""
    if pattern.startswith("*"):
        return [pattern.upper()]
    paths: list[list[str]] = [[]]
    for optional, node in re.findall(r"(\[?):?([A-Za-z][A-Za-z0-9]*)", pattern):
        short = re.match(r"[A-Z0-9]+", node)
        forms = {node.upper(), short.group(0) if short else node.upper()}
        longer = [[*path, form] for path in paths for form in sorted(forms)]
        paths = [*paths, *longer] if optional else longer
    return [":".join(path) for path in paths if path]


def split_message(message: str) -> list[str]:
    """The program message units between the semicolons; quoted text may hold one."""
    units: list[str] = []
    start = 0
    quote = ""
    for index, character in enumerate(message):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == ";":
            units.append(message[start:index])
            start = index + 1
    units.append(message[start:])
    return [unit.strip() for unit in units]


def parse_unit(unit: str, path: str) -> tuple[str, list[str], str]:
    """Absolute header, parameters, and the path the next unit of the message starts at (SCPI-1999 6.2.4).

    Raises ScpiError for text that is no command.
    """
    match = _HEADER.match(unit)
    if match is None:
        raise ScpiError(-113 if unit[:1].isalpha() or unit[:1] in ":*" else -101, unit[:32])
    header, query = match.group(1), match.group(2)
    rest = unit[match.end() :].strip()
    parameters = [part.strip() for part in rest.split(",")] if rest else []
    if len(parameters) > PARAMETER_LIMIT:
        raise ScpiError(-223, header)
    if any(not part for part in parameters):
        raise ScpiError(-103, header)
    if header.startswith("*"):
        return header + query, parameters, path
    absolute = header[1:] if header.startswith(":") else path + header
    parent = absolute.rpartition(":")[0]
    return absolute + query, parameters, parent + ":" if parent else ""


def parse_number(text: str, unit: str, low: float, high: float, default: float | None = None) -> float:
    """A decimal number with an optional suffix ("3.3", "3300MV"), or MINimum, MAXimum, DEFault.

    Raises ScpiError: -104 not a number, -131 wrong suffix, -222 outside low..high.
    """
    word = text.upper()
    if word in ("MIN", "MINIMUM"):
        return low
    if word in ("MAX", "MAXIMUM"):
        return high
    if word in ("DEF", "DEFAULT") and default is not None:
        return default
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ScpiError(-104, text[:32])
    suffix = match.group(2).upper()
    if suffix and not suffix.endswith(unit.upper()):
        raise ScpiError(-131, text[:32])
    multiplier = _MULTIPLIERS.get(suffix[: len(suffix) - len(unit)] if suffix else "")
    if multiplier is None:
        raise ScpiError(-131, text[:32])
    value = float(match.group(1)) * multiplier
    if not low <= value <= high:
        raise ScpiError(-222, text[:32])
    return value


def parse_choice(text: str, *choices: str) -> str:
    """One of the words, each given as "LONGform" with its short form in capitals; returns the short form."""
    for choice in choices:
        short = re.match(r"[A-Z0-9]+", choice)
        if short and text.upper() in (choice.upper(), short.group(0)):
            return short.group(0)
    raise ScpiError(-224, text[:32])


def parse_boolean(text: str) -> bool:
    """ON, OFF, or a number that counts as on unless it rounds to zero (SCPI-1999 7.3)."""
    word = text.upper()
    if word in ("ON", "OFF"):
        return word == "ON"
    return round(parse_number(text, "", -1e9, 1e9)) != 0
