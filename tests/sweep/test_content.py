"""Flash content and its key: equal content has equal keys, however it came about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hil.sweep.content import PAGE, Base, Content

BASE = Base(b"\xff" * PAGE + bytes(range(256)) * (PAGE // 256) + b"\x00" * PAGE)
ADDRESSES = st.integers(0, 3 * PAGE // 4 - 1).map(lambda word: 4 * word)
WORDS = st.integers(0, 0xFFFF_FFFF)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), ADDRESSES, WORDS),
        st.tuples(st.just("erase"), st.integers(0, 2), st.just(0)),
    ),
    max_size=12,
)


def carried_out(steps: list[tuple[str, int, int]]) -> tuple[Content, bytearray]:
    content, plain = Content(BASE), bytearray(BASE.flash)
    for kind, where, word in steps:
        if kind == "write":
            content.program(where, word)
            old = int.from_bytes(plain[where : where + 4], "little")
            plain[where : where + 4] = (old & word).to_bytes(4, "little")
        else:
            content.erase(where)
            plain[where * PAGE : (where + 1) * PAGE] = b"\xff" * PAGE
    return content, plain


@given(STEPS)
def test_it_holds_what_flash_holds(steps: list[tuple[str, int, int]]) -> None:
    content, plain = carried_out(steps)
    assert b"".join(content.page(number) for number in range(3)) == bytes(plain)
    pages = {number: bytes(plain[number * PAGE : (number + 1) * PAGE]) for number in range(3)}
    anew = Content(BASE)
    for number, data in pages.items():
        anew.put_page(number, data)
    assert anew.key == content.key
    assert (content.key == Content(BASE).key) == (bytes(plain) == BASE.flash)


@given(ADDRESSES, WORDS, WORDS)
def test_weak_cells_read_either_way_until_they_are_programmed(address: int, mask: int, asked: int) -> None:
    content = Content(BASE)
    content.put_word(address, content.word(address) & ~mask)
    content.weaken(address, 4, mask)
    low, *high = content.readings()
    at = address % PAGE
    if mask:
        word = int.from_bytes(high[0][address // PAGE][at : at + 4], "little")
        assert word == content.word(address) | mask
        assert content.key != Content(BASE, low).key
    else:
        assert not high
    content.program(address, asked)
    assert content.weak_cells(address, 4) == mask & asked
    content.erase(address // PAGE)
    assert not content.weak


def test_weak_cells_of_a_page_are_hidden_by_a_word_written_there_later() -> None:
    content = Content(BASE)
    content.put_page(0, b"\x00" * PAGE)
    content.weaken(0, PAGE, (1 << 8 * PAGE) - 1)
    content.weaken(8, 4, 0b101)
    assert content.weak_cells(8, 4) == 0b101
    assert content.weak_cells(4, 12) == 0xFFFF_FFFF << 64 | 0b101 << 32 | 0xFFFF_FFFF
