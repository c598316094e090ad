"""The firmware build: reproducible, cached, within its partition, and plain about what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hil import bundled
from hil.errors import InputError
from hil.toolchain import BOOT_DEFECTS, DEFECTS, VARIANTS, build, compiler
from hil.toolchain.variants import BOOT_PARTITION


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the firmware sources to change."""
    return Path(shutil.copytree(bundled.firmware(), tmp_path / "firmware"))


def test_two_folders_give_the_same_bits(sources: Path, tmp_path: Path) -> None:
    here = build(application=False)
    there = build(application=False, source=sources, cache=tmp_path / "another" / "cache")
    assert there.boot.elf_path != here.boot.elf_path
    assert there.boot.data == here.boot.data
    assert there.boot.hex_path.read_bytes() == here.boot.hex_path.read_bytes()
    assert there.boot.elf_path.read_bytes() == here.boot.elf_path.read_bytes()


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_variant_fits_the_partition(variant: str) -> None:
    boot = build(variant, application=False).boot
    assert boot.address == 0
    assert 0x4000 < boot.flash <= BOOT_PARTITION


def test_no_machine_path_is_in_the_output() -> None:
    elf = build(application=False).boot.elf_path.read_bytes()
    assert str(bundled.firmware()).encode() not in elf
    assert b"ziglang" not in elf


def test_a_second_build_compiles_nothing(tmp_path: Path) -> None:
    build(application=False)
    steps: list[str] = []
    build(application=False, progress=lambda what, done, total: steps.append(what), out=tmp_path)
    assert steps == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "boot.bin",
        "boot.elf",
        "boot.hex",
        "build.json",
    ]


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_defect_build_differs_and_says_so(defect: str) -> None:
    built, sound = build(defect=defect), build()
    assert not built.production
    assert built.application is not None and sound.application is not None
    pairs = [(built.boot.data, sound.boot.data), (built.application.data, sound.application.data)]
    changed, same = pairs if defect in BOOT_DEFECTS else reversed(pairs)
    assert b"TEST BUILD" in changed[0]
    assert b"TEST BUILD" not in changed[1]
    assert same[0] == same[1]


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_production_build_rejects_a_defect(defect: str, tmp_path: Path) -> None:
    flags = [*compiler.C_FLAGS, "-I.", "-isystem", "libc", f"-DHIL_DEFECT_{defect.upper()}=1"]
    with pytest.raises(InputError, match="production build must not carry a defect"):
        compiler.run_compiler(
            ["cc", *flags, "-c", "boot/main.c", "-o", str(tmp_path / "main.o")],
            source="boot/main.c",
            directory=bundled.firmware(),
            zig_cache=tmp_path,
        )


def test_a_compile_error_names_file_and_line(sources: Path) -> None:
    broken = sources / "boot" / "main.c"
    broken.write_text(broken.read_text() + "\nint broken(void) { return missing; }\n")
    line = len(broken.read_text().splitlines())
    with pytest.raises(InputError, match=rf"boot/main\.c:{line}:\d+: .*missing"):
        build(application=False, source=sources)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"variant": "rsa"}, "unknown firmware variant 'rsa': choose one of"),
        ({"defect": "coffee"}, "unknown defect 'coffee': choose one of"),
        ({"jobs": 0}, "jobs is 0"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        build(**arguments)  # type: ignore[arg-type]


def test_a_folder_without_firmware_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no firmware sources"):
        build(source=tmp_path)
