"""Which virtual benches are open in this process, and what their ends of the wires are called.

Third-party stacks find an instrument by a name in a string (a pyOCD unique id, a VISA resource, a serial URL),
so the wire files need one place to look names up. A bench registers its parts when it opens and takes
them away when it closes; nothing here starts anything.
"""

from __future__ import annotations

from typing import Any

from hil.errors import InputError

_parts: dict[str, tuple[Any, object]] = {}


def register(name: str, part: object, kernel: Any) -> None:
    """Publish `part` under `name` ("kit0", "psu0", "central") with the kernel that moves its time.

    Raises InputError when the name is taken: two benches open at once need different names.
    """
    if name in _parts:
        raise InputError(f"virtual bench: the name {name!r} is already in use by an open bench")
    _parts[name] = (kernel, part)


def unregister(name: str) -> None:
    """Take `name` away; a name that is not there is no error, so that closing twice is harmless."""
    _parts.pop(name, None)


def find(name: str) -> tuple[Any, Any]:
    """Return (kernel, part) for `name`; raises InputError naming what is there."""
    try:
        return _parts[name]
    except KeyError:
        known = ", ".join(sorted(_parts)) or "none, no virtual bench is open in this process"
        raise InputError(f"virtual bench: nothing is called {name!r} (open: {known})") from None


def names(kind: type | None = None) -> list[str]:
    """Names in use, all of them or those whose part is of class `kind`, in alphabetical order."""
    return sorted(name for name, (_, part) in _parts.items() if kind is None or isinstance(part, kind))
