"""The line of each key in a TOML text."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.tomlfile import positions

TEXT = '''\
# comment = 1
title = "a # no comment"   # "quoted" = comment
long = """
[not.a.header]
key = "no key"
and \\""" goes on"""""
'odd key' . "with \\"dots.\\"" = \'\'\'
]]\'\'\'
list = [
    1, [2,
    3],  # ]
    { a = 1, b.c = [
        4,
    ] },
]

[a.b]
x = 1979-05-27 07:32:00
y.z = { }

[[a.slots]]
size = 1
[a.slots.deep]
k = 1
[[a.slots]]

size = 2
[[a.slots.inner]]
v = 1
[[a.slots.inner]]
v = 2
[a]
last = true
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("title",), 2),
        (("long",), 3),
        (("odd key",), 7),
        (("odd key", 'with "dots."'), 7),
        (("list",), 9),
        (("list", 0), 10),
        (("list", 1, 0), 10),
        (("list", 1, 1), 11),
        (("list", 2), 12),
        (("list", 2, "b", "c"), 12),
        (("list", 2, "b", "c", 0), 13),
        (("a", "b"), 17),
        (("a", "b", "x"), 18),
        (("a", "b", "y", "z"), 19),
        (("a", "slots"), 21),
        (("a", "slots", 0), 21),
        (("a", "slots", 0, "size"), 22),
        (("a", "slots", 0, "deep", "k"), 24),
        (("a", "slots", 1), 25),
        (("a", "slots", 1, "size"), 27),
        (("a", "slots", 1, "inner", 0, "v"), 29),
        (("a", "slots", 1, "inner", 1, "v"), 31),
        (("a",), 32),
        (("a", "last"), 33),
    ],
)
def test_the_line_of_a_key(place: tuple[str | int, ...], line: int) -> None:
    assert positions.lines(TEXT)[place] == line


def test_lines_are_counted_as_editors_do() -> None:
    text = "a = 'form\u2028feed'\r\nb = 1\r\n\r\nc = '''\r\n'''\r\nd = 2\r\n"
    assert positions.lines(text) == {("a",): 1, ("b",): 2, ("c",): 4, ("d",): 6}


def places(data: Any, here: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """The way to each value that is in the data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = {here} if here else set()
    for key, value in items:
        found |= places(value, (*here, key))
    return found


def test_each_value_has_a_line_and_nothing_else_has() -> None:
    assert set(positions.lines(TEXT)) == places(tomllib.loads(TEXT))


KEYS = st.sampled_from(["a", "b", '"c.d"', "'e f'", '"\\u0067"'])
STRINGS = st.sampled_from(
    ['"x"', "'y#'", '"""\n"#]\\\\"""', "'''\n}'''''", '"\\\\"', "''", '""""""', '""" "" """', "'''']'''"]
)
SCALARS = STRINGS | st.sampled_from(
    ["1", "-0x1F", "1e3", "inf", "true", "1979-05-27", "07:32:00", "1979-05-27 07:32:00"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: "[ # ]\n" + ",\n".join(each) + "\n]")
        | st.lists(st.tuples(KEYS, inner), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda each: "{ " + ", ".join(f"{key} = {value}" for key, value in each) + " }"
        )
    ),
    max_leaves=6,
)
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
STATEMENTS = st.one_of(
    st.tuples(DOTTED, VALUES).map(" = ".join),
    DOTTED.map(lambda keys: f"[ {keys} ] # [x]"),
    DOTTED.map(lambda keys: f"[[{keys}]]"),
    st.sampled_from(["", "# a = 1"]),
)


@given(st.lists(STATEMENTS, max_size=10), st.sampled_from(["\n", "\r\n"]))
def test_the_scanner_finds_what_tomllib_finds(statements: list[str], ending: str) -> None:
    text = ending.join(statements).replace("\r\n", "\n").replace("\n", ending)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        positions.repeated(text)  # must come back
        return
    found = positions.lines(text)
    assert set(found) == places(data)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())
    assert positions.repeated(text) is None
