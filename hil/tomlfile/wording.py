"""How keys and values are shown in an error, whatever they hold."""

from __future__ import annotations

SHOWN = 60
"""Characters of a value that an error shows."""


def dotted(place: tuple[str | int, ...]) -> str:
    """A place as a person writes it: `device.slots[1].size`."""
    parts = ""
    for part in place:
        parts += f"[{part}]" if isinstance(part, int) else f".{part}"
    return parts.removeprefix(".")


def shown(value: object) -> str:
    """A value, cut to a length that fits a line."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def one_line(text: str) -> str:
    """The text with all that could break the line, or drive a terminal, written as an escape."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )
