"""A device small enough that everything can be tried: an image of two words, an update, and a journal of two.

Its flash has four pages: 0 is its bootloader, 1 the running image, 2 the update, 3 the journal. It copies
page 2 over page 1 word by word, and notes in the journal that it has begun and that it is done.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from hil.rig.machine import Operation, Settled
from hil.sweep.content import PAGE
from hil.virtual.soc.flash_physics import torn

PAGES = 4
IMAGE, UPDATE, JOURNAL = 1, 2, 3
BEGUN, DONE = 0, 4
MARK = 0x0000_A5A5
OLD, NEW = (0x1111_2222, 0x3333_4444), (0x5555_6666, 0x7777_8888)


def flash() -> bytes:
    """An old image that runs and an update that waits."""
    content = bytearray(b"\xff" * PAGE * PAGES)
    for page, words in ((0, (0, 0)), (IMAGE, OLD), (UPDATE, NEW)):
        for index, word in enumerate(words):
            content[page * PAGE + 4 * index : page * PAGE + 4 * index + 4] = word.to_bytes(4, "little")
    return bytes(content)


class Stopped(Exception):
    """The explorer has seen enough of this start."""


class Toy:
    """A careful one looks at the images to see whether it is done. Otherwise it believes its journal, which
    is wrong: a note that was cut may read as done at one start and as not done at the next, which then
    destroys the image. `forgetful` does not finish a copy that was cut; `hasty` notes that it is done
    before the last word.
    """

    def __init__(self, *, careful: bool = False, forgetful: bool = False, hasty: bool = False) -> None:
        self._careful, self._forgetful, self._hasty = careful, forgetful, hasty
        self.instructions = 0
        self.starts = 0

    def boot(
        self,
        pages: Mapping[int, bytes],
        on_operation: Callable[[Operation], bool],
        on_first_read: Callable[[int], None],
    ) -> Settled:
        self.starts += 1
        content = bytearray(flash())
        for page, data in pages.items():
            content[page * PAGE : (page + 1) * PAGE] = data
        seen: set[int] = set()
        self._ram: tuple[int, ...] = ()
        copied: list[int] = []

        def read(page: int, offset: int) -> int:
            if page not in seen:
                seen.add(page)
                on_first_read(page)
            at = page * PAGE + offset
            return int.from_bytes(content[at : at + 4], "little")

        def write(page: int, offset: int, word: int) -> None:
            self._ram = (*copied, page, offset)
            if on_operation(Operation("write", page * PAGE + offset, word, 0x100 + page, 0.0)):
                raise Stopped
            at = page * PAGE + offset
            old = int.from_bytes(content[at : at + 4], "little")
            content[at : at + 4] = (old & word).to_bytes(4, "little")

        def erase(page: int) -> None:
            self._ram = (*copied, page)
            if on_operation(Operation("erase page", page * PAGE, 0, 0x200 + page, 0.0)):
                raise Stopped
            content[page * PAGE : (page + 1) * PAGE] = b"\xff" * PAGE

        try:
            begun = read(JOURNAL, BEGUN) == MARK
            done = read(JOURNAL, DONE) == MARK
            if self._careful:
                done = all(read(IMAGE, at) == read(UPDATE, at) for at in (0, 4))
            if not done and not (begun and self._forgetful):
                write(JOURNAL, BEGUN, MARK)
                erase(IMAGE)
                for index in (0, 4):
                    word = read(UPDATE, index)
                    copied.append(word)
                    if self._hasty and index:
                        write(JOURNAL, DONE, MARK)
                    write(IMAGE, index, word)
                if not self._hasty:
                    write(JOURNAL, DONE, MARK)
            runs = (read(IMAGE, 0), read(IMAGE, 4))
        except Stopped:
            return Settled("stopped", 0, 0.0, 0)
        if runs in (OLD, NEW):
            return Settled("starts", IMAGE * PAGE + (0 if runs == OLD else 4), 0.0, 0)
        return Settled("sleeps", 0, 0.0, 0)

    def ram_and_registers(self) -> bytes:
        return repr(self._ram).encode()

    def tear(self, seed: str, old: int, new: int, bits: int, depth: float) -> tuple[int, int]:
        return torn(random.Random(seed), old, new, bits, depth)
