"""HEX files that a kit is flashed with, and the file that its memories are kept in."""

from __future__ import annotations

from pathlib import Path

import pytest
from intelhex import IntelHex

from hil.errors import BenchError, InputError
from hil.filelock import FileLock
from hil.serve.images import Piece, cannot_start, checked, flash, read_pieces
from hil.serve.state import StateKeeper
from hil.virtual import statefile
from hil.virtual.kernel import Kernel
from hil.virtual.kit import Kit
from hil.virtual.soc.memory import UICR_BASE
from hil.virtual.statefile import KitState


def hex_file(path: Path, address: int, data: bytes) -> Path:
    image = IntelHex()
    image.frombytes(data, address)
    image.write_hex_file(str(path))
    return path


def test_files_go_where_they_say_and_the_rest_of_their_pages_is_erased(tmp_path: Path) -> None:
    before = KitState(b"\x00" * statefile.FLASH_SIZE, b"\x00" * statefile.UICR_SIZE)
    paths = [
        hex_file(tmp_path / "boot.hex", 0, b"boot"),
        hex_file(tmp_path / "app.hex", 0x1_2FFE, b"app!"),
        hex_file(tmp_path / "uicr.hex", UICR_BASE + 0x208, b"\x5a\xff\xff\xff"),
    ]
    after = flash(before, read_pieces(paths))
    assert after.flash[:0x1000] == b"boot" + b"\xff" * 0xFFC
    assert after.flash[0x1000:0x1_2000] == b"\x00" * 0x1_1000
    assert after.flash[0x1_2000:0x1_4000] == b"\xff" * 0xFFE + b"app!" + b"\xff" * 0xFFE
    assert after.flash[0x1_4000:] == b"\x00" * (statefile.FLASH_SIZE - 0x1_4000)
    assert after.uicr == b"\xff" * 0x208 + b"\x5a" + b"\xff" * (0x1000 - 0x209)


def test_an_image_without_its_bootloader_is_told(tmp_path: Path) -> None:
    blank = KitState.blank()
    assert "the flash is blank" in cannot_start(blank, [])
    pieces = read_pieces([hex_file(tmp_path / "app.hex", 0xC200, b"application")])
    assert "app.hex, begins at 0x0000c200; does it need a bootloader?" in cannot_start(
        flash(blank, pieces), pieces
    )
    pieces += read_pieces([hex_file(tmp_path / "boot.hex", 0, b"bootloader")])
    assert cannot_start(flash(blank, pieces), pieces) == ""


def test_two_files_may_share_a_page_but_not_an_address(tmp_path: Path) -> None:
    first = hex_file(tmp_path / "first.hex", 0, b"\x11" * 16)
    second = hex_file(tmp_path / "second.hex", 16, b"\x22" * 16)
    third = hex_file(tmp_path / "third.hex", 31, b"\x33")
    blank = KitState.blank()
    assert flash(blank, read_pieces([first, second])).flash[:32] == b"\x11" * 16 + b"\x22" * 16
    with pytest.raises(InputError, match=r"second\.hex and .*third\.hex both write address 0x0000001f"):
        flash(blank, read_pieces([first, second, third]))
    with pytest.raises(InputError, match=r"first\.hex.* address 0x00000000"):
        flash(blank, read_pieces([first, first]))


@pytest.mark.parametrize(
    ("address", "length"),
    [
        (0x10_0000, 1),
        (0xF_FFFF, 2),
        (UICR_BASE - 1, 2),
        (UICR_BASE + 0xFFF, 2),
        (0x2000_0000, 4),
        (0x1000_0000, 4),
    ],
)
def test_addresses_that_are_no_flash_are_refused(address: int, length: int) -> None:
    with pytest.raises(InputError, match=f"x: 0x{address:08x} to 0x{address + length - 1:08x} is not in"):
        checked(Piece(address, bytes(length), "x"))


def test_broken_files_are_refused_with_their_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.hex"
    broken.write_text(":0400000001020304F3\n:00000001FF\n")
    with pytest.raises(InputError, match=r"broken\.hex:1: .*checksum"):
        read_pieces([broken])
    with pytest.raises(InputError, match=r"app\.bin: not an Intel HEX file"):
        read_pieces([tmp_path / "app.bin"])
    with pytest.raises(InputError, match=r"missing\.hex: cannot be read"):
        read_pieces([tmp_path / "missing.hex"])


def test_one_process_at_a_time_has_the_state_file(tmp_path: Path) -> None:
    path = tmp_path / "kit.state"
    first = FileLock(path, "kit state file")
    with pytest.raises(BenchError, match="in use by another process"):
        FileLock(path, "kit state file")
    first.release()
    first.release()
    FileLock(path, "kit state file").release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_left_behind_holds_nobody_off(tmp_path: Path) -> None:
    (tmp_path / ".kit.state.lock").touch()
    FileLock(tmp_path / "kit.state", "kit state file").release()


def test_changes_are_saved_while_the_kit_is_open_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "kit.state"
    kit = Kit(Kernel())
    keeper = StateKeeper(path)
    kit.load(keeper.state)
    keeper.keep(kit)
    keeper.save_changes()
    assert keeper._writer is None, "nothing has changed"
    kit.soc.memory.write(0x1000, b"new!")
    keeper.save_changes()
    assert keeper._writer is not None
    keeper._writer.join()
    assert statefile.load(path).flash[0x1000:0x1004] == b"new!"
    kit.soc.memory.write(UICR_BASE, b"last")
    keeper.close()
    assert statefile.load(path).uicr[:4] == b"last"
    StateKeeper(path).close()


def test_a_corrupt_state_file_is_refused_and_not_left_locked(tmp_path: Path) -> None:
    path = tmp_path / "kit.state"
    path.write_bytes(b"something else")
    for _ in range(2):
        with pytest.raises(InputError, match="has 14 bytes"):
            StateKeeper(path)
    assert path.read_bytes() == b"something else"
