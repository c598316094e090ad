"""Intel HEX: what is right is read, what is broken is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intelhex import IntelHex

from hil.errors import InputError
from hil.hexfile import binary_of, parse_hex, read_image

END = ":00000001FF\n"


def test_agrees_with_intelhex(tmp_path: Path) -> None:
    image = IntelHex()
    image.puts(0x0000_FFF0, bytes(range(64)))
    image.puts(0x1000_1208, b"\x5a\x00\x00\x00")
    path = tmp_path / "app.hex"
    image.write_hex_file(str(path))
    assert read_image(path) == [(0xFFF0, bytes(range(64))), (0x1000_1208, b"\x5a\x00\x00\x00")]


def test_segment_addresses_and_start_records() -> None:
    text = ":020000021000EC\n:0400000300000100F8\n:01000000AA55\n" + END
    assert parse_hex(text.encode()) == [(0x10000, b"\xaa")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello\n" + END, "x.hex:1: not Intel HEX, a line starts with 'h'"),
        (":01000000AA56\n" + END, "x.hex:1: the record's checksum is wrong"),
        (":02000000AA54\n" + END, "x.hex:1: the record's length byte does not fit"),
        (":01000000ZZ55\n" + END, "x.hex:1: not Intel HEX, there is something else"),
        (":01000000AA55\n:00000006FA\n" + END, "x.hex:2: unknown record type 06"),
        (":01000000AA55\n", "has no end record"),
        (":01000000AA55\n:01000000AB54\n" + END, "two records write address 0x00000000"),
        (END, "holds no data"),
        (":\n", "x.hex:1: the record's length"),
        ("", "has no end record"),
    ],
)
def test_broken_files_are_named_with_the_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.hex"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_hex(data)
    except InputError as error:
        assert str(error)


def test_gaps_of_a_binary_are_as_in_erased_flash() -> None:
    pieces = b":02000400AABB95\n:02000000CCDD55\n"
    assert binary_of(pieces + END.encode()) == b"\xcc\xdd\xff\xff\xaa\xbb"


def test_a_binary_has_a_limit() -> None:
    far_apart = b":01000000AA55\n:020000040200F8\n:01000000AA55\n" + END.encode()
    with pytest.raises(InputError, match=r"x\.hex: the data spans 33554433 bytes, more than 16777216"):
        binary_of(far_apart, "x.hex")


def test_raw_files_need_an_address_and_hex_files_none(tmp_path: Path) -> None:
    raw = tmp_path / "app.bin"
    raw.write_bytes(b"abc")
    assert read_image(raw, 0x1000) == [(0x1000, b"abc")]
    with pytest.raises(InputError, match="needs an address"):
        read_image(raw)
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "missing.hex")
    hexfile = tmp_path / "app.hex"
    hexfile.write_text(":01000000AA55\n" + END)
    with pytest.raises(InputError, match="brings its own addresses"):
        read_image(hexfile, 0)
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        read_image(tmp_path / "empty.bin", 0)
