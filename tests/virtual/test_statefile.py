"""The kit's state file: created blank, read back, refused when it is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import BenchError, InputError
from hil.virtual import statefile


def test_a_missing_file_is_created_blank(tmp_path: Path) -> None:
    path = tmp_path / "kit.state"
    state = statefile.load(path)
    assert state == statefile.KitState.blank()
    assert path.stat().st_size == statefile.FILE_SIZE


def test_flash_and_uicr_come_back(tmp_path: Path) -> None:
    path = tmp_path / "kit.state"
    flash = bytes(range(256)) * (statefile.FLASH_SIZE // 256)
    uicr = b"\x5a" + b"\xff" * (statefile.UICR_SIZE - 1)
    statefile.save(path, statefile.KitState(flash, uicr))
    assert statefile.load(path) == statefile.KitState(flash, uicr)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kit.state"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-1], "bytes, expected"),
        (lambda data: data + b"x", "more than"),
        (lambda data: b"", "has 0 bytes"),
        (lambda data: b"NOTAKIT!" + data[8:], "is not a kit state file"),
        (lambda data: data[:1000] + b"\x00" + data[1001:], "is corrupt"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "kit.state"
    statefile.load(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        statefile.load(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_directory_and_an_unwritable_place_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        statefile.load(tmp_path)
    with pytest.raises(BenchError, match="cannot be written"):
        statefile.load(tmp_path / "missing" / "kit.state")
