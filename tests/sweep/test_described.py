"""Sweeps of a device that a rig file describes: the bundled bootloader as if it were somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from intelhex import IntelHex

from hil.errors import InputError
from hil.rig import files
from hil.rig.machine import UICR_BASE, Part
from hil.sweep import run, scenarios
from tests.rig import foreign

FILES = 'files = ["1.0.0.bin", "1.1.0.bin", "1.2.0.bin"]\n'
SWEEP = """
[sweep]
elf = "{elf}"

[[sweep.pure]]
function = "crypto_sha256_update"
reads = [{{ argument = 0, size = 128 }}, {{ argument = 1, size_in = 2 }}]
writes = [{{ argument = 0, size = 128 }}]
returns = false

[[sweep.pure]]
function = "crypto_p256_verify"
reads = [{{ argument = 0, size = 32 }}, {{ argument = 1, size = 64 }}, {{ argument = 2, size = 64 }}]

[[sweep.scenarios]]
name = "nothing-to-do"
files = ["nothing.hex"]
order = ["1.0.0"]
"""


def described(folder: Path, defect: str | None = None) -> Path:
    """The rig file, with what a sweep needs to know."""
    from hil.toolchain.builder import build

    path = foreign.write(folder, images=FILES, defect=defect)
    nothing = IntelHex()
    # A security counter that has been raised to 1 already: then there is nothing to do.
    counter = files.load("virtual").device.counter
    assert counter is not None
    nothing.puts(counter.start, (1).to_bytes(4, "little") + (~1 & 0xFFFF_FFFF).to_bytes(4, "little"))
    nothing.write_hex_file(str(folder / "nothing.hex"))
    (folder / "boot.elf").write_bytes(build(defect=defect).boot.elf_path.read_bytes())
    path.write_text(path.read_text() + SWEEP.format(elf="boot.elf"))
    return path


def test_a_bootloader_known_by_its_binary_alone_is_explored(tmp_path: Path) -> None:
    path = described(tmp_path)
    chosen = scenarios.of(files.load(str(path)), "upgrade")
    assert {image.name for image in chosen.images} == {"old", "new"}
    assert all(page < 0x12 for page in chosen.fixed)
    found = run.sweep(
        files.load(str(path)), chosen, most_cuts=1, check=0.0, budget_s=6.0, remember_crypto=True
    )
    assert found["violations_found"] == 0
    assert found["outcomes"]["new"] >= 1
    assert found["counts"]["crypto_answered"] > found["counts"]["crypto_executed"] > 0


def test_a_defect_in_it_is_found_without_its_source(tmp_path: Path) -> None:
    rig = files.load(str(described(tmp_path, defect="swap_resume")))
    found = run.sweep(
        rig,
        scenarios.of(rig, "upgrade"),
        most_cuts=1,
        enough=12,
        check=0.0,
        budget_s=300.0,
        remember_crypto=True,
    )
    assert "starts" in {each["invariant"] for each in found["violations"]}
    assert found["violations"][0]["path"][0]["symbol"]


def test_a_scenario_of_its_own_closes(tmp_path: Path) -> None:
    rig = files.load(str(described(tmp_path)))
    assert "nothing-to-do" in scenarios.names(rig)
    found = run.sweep(rig, scenarios.of(rig, "nothing-to-do"))
    assert found["closed"]
    assert found["violations_found"] == 0


def test_functions_without_side_effects_are_taken_from_the_file(tmp_path: Path) -> None:
    chosen = scenarios.of(files.load(str(described(tmp_path))), "upgrade")
    pure = chosen.pure[chosen.symbols["crypto_p256_verify"][0]]
    assert pure.reads == (Part(0, 32), Part(1, 64), Part(2, 64))
    assert pure.returns


@pytest.mark.parametrize(
    ("was", "now", "what"),
    [
        ('elf = "boot.elf"', "", "crypto_sha256_update is no function of any file: give sweep.elf"),
        ('elf = "boot.elf"', 'elf = "none.elf"', "none.elf: cannot be read"),
        (
            'files = ["boot.hex", "page.hex"]',
            'files = ["nothing.hex"]',
            "install.files: nothing lies outside",
        ),
        ('"1.0.0.bin", "1.1.0.bin", "1.2.0.bin"', '"1.0.0.bin"', "two versions are needed"),
        (
            'order = ["1.0.0"]',
            'order = ["9.9.9"]',
            'scenario "nothing-to-do": order: rig theirs has no image',
        ),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, was: str, now: str, what: str) -> None:
    path = described(tmp_path)
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, now))
    if "nothing.hex" in now:
        nothing = IntelHex()
        nothing.puts(0x20000, b"within a slot")
        nothing.write_hex_file(str(tmp_path / "nothing.hex"))
    with pytest.raises(InputError, match=what):
        scenarios.of(files.load(str(path)), "nothing-to-do")


def test_a_uicr_in_a_hex_file_is_where_the_kit_has_it(tmp_path: Path) -> None:
    path = described(tmp_path)
    boot = IntelHex(str(tmp_path / "boot.hex"))
    boot.puts(UICR_BASE + 0x80, b"\x01\x02\x03\x04")
    boot.write_hex_file(str(tmp_path / "boot.hex"))
    chosen = scenarios.of(files.load(str(path)), "upgrade")
    assert chosen.uicr[0x80:0x84] == b"\x01\x02\x03\x04"
