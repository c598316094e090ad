"""The exception cases of exceptions/*.c: their names, and the one image that holds them all."""

from __future__ import annotations

import functools
import re
import struct
from pathlib import Path

from tests.differential.image import compile_image
from tests.differential.layout import PROGRESS, RESULTS
from tests.differential.machine import Outcome

FOLDER = Path(__file__).with_name("exceptions")
SELECTED = 0x100
"""Where the image holds which case to run, and behind it the seed."""
# A case is defined by CASE(name), or by another macro whose first argument is its name.
_DEFINITION = re.compile(r"^(?:CASE|TRY|DIVIDE|IN_IT_BLOCK|BAD_RETURN|ALIGNMENT)\((\w+)", re.MULTILINE)
_ACCESS = re.compile(r"^ACCESS\((\d)\)", re.MULTILINE)


@functools.cache
def names() -> tuple[str, ...]:
    """All cases, as `file.case`."""
    found = []
    for path in sorted(FOLDER.glob("*.c")):
        text = path.read_text()
        cases = [name for name in _DEFINITION.findall(text) if name != "name"]
        cases += [f"access_permission_{number}" for number in _ACCESS.findall(text)]
        found += [f"{path.stem}.{name}" for name in cases]
    return tuple(found)


@functools.cache
def _image() -> bytes:
    sources = {path.name: path.read_text() for path in FOLDER.glob("*.[ch]")}
    functions = [name.partition(".")[2] for name in names()]
    table = "".join(f"void case_{name}(void);\n" for name in functions)
    table += "extern void (*const cases[])(void);\nvoid (*const cases[])(void) = {"
    table += ", ".join(f"case_{name}" for name in functions) + "};\n"
    return compile_image({**sources, "table.c": table})


def image(name: str, seed: int = 1) -> bytes:
    """The image that runs one case."""
    made = bytearray(_image())
    struct.pack_into("<2I", made, SELECTED, names().index(name), seed)
    return bytes(made)


def trace(outcome: Outcome) -> list[int]:
    """The words that the case traced."""
    count = min(outcome.progress, (PROGRESS - RESULTS) // 4)
    return list(struct.unpack_from(f"<{count}I", outcome.results))
