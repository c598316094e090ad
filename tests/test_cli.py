"""The `hil` command: what it prints, and that a mistake is one line and exit 2."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hil import __version__
from hil.cli import main
from hil.image.keys import bench_key
from hil.image.mutate import MUTATIONS

SIGN = ["--key", "key.pem", "--version", "1.0.0", "--out", "image.bin"]


def hil(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    monkeypatch.setattr(sys, "argv", ["hil", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    (tmp_path / "key.pem").write_bytes(bench_key("test").private_pem())
    (tmp_path / "app.bin").write_bytes(bytes(range(256)) * 8)
    out = tmp_path / "image.bin"
    words = [
        "image",
        "sign",
        tmp_path / "app.bin",
        "--key",
        tmp_path / "key.pem",
        "--version",
        "1.2.3+4",
        "--out",
        out,
    ]
    code, told, _ = hil(monkeypatch, capsys, *words)
    assert code == 0
    assert "version 1.2.3+4" in told
    return out


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert hil(monkeypatch, capsys, "--version") == (0, f"hil {__version__}\n", "")


def test_without_arguments_the_help_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = hil(monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: ")
    assert "\nhil: " not in err


def test_an_image_is_signed_read_and_broken(
    signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = hil(monkeypatch, capsys, "image", "info", signed, "--key", tmp_path / "key.pem")
    assert code == 0
    sound = json.loads(out)
    broken = tmp_path / "broken.bin"
    assert hil(monkeypatch, capsys, "image", "mutate", signed, "payload-first-bit", "--out", broken)[0] == 0
    _, out, _ = hil(monkeypatch, capsys, "image", "info", broken, "--key", tmp_path / "key.pem")
    assert json.loads(out) != sound


def test_every_mutation_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = hil(monkeypatch, capsys, "image", "mutate", "none", "list")
    assert len(out.splitlines()) == len(MUTATIONS)


def test_the_bundled_rig_is_listed_and_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "virtual" in hil(monkeypatch, capsys, "rigs", "list")[1]
    shown = json.loads(hil(monkeypatch, capsys, "rigs", "show", "virtual", "--json")[1])
    assert shown["schema"] == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["image", "info", "nowhere.bin"], "hil: nowhere.bin: cannot be read: No such file or directory"),
        (["image", "info", "broken.hex"], "hil: broken.hex:1: not Intel HEX, "),
        (["image", "info", "empty.hex"], "hil: empty.hex: holds no data"),
        (["image", "info", "truncated.hex"], "hil: truncated.hex: has no end record, the file is truncated"),
        (
            ["image", "sign", "noise.bin", *SIGN],
            "hil: noise.bin: 5 bytes, too short for an application's vector",
        ),
        (["image", "sign", "truncated.hex", *SIGN], "hil: truncated.hex: has no end record, the file is"),
        (
            ["image", "sign", "zeros.bin", *SIGN, "--key", "noise.bin"],
            "hil: noise.bin: not a private key in PEM",
        ),
        (
            ["image", "sign", "zeros.bin", *SIGN, "--key", "no.pem"],
            "hil: no.pem: cannot read the key: No such",
        ),
        (
            ["image", "sign", "zeros.bin", *SIGN, "--version", "one"],
            "hil: image version 'one': expected MAJOR.",
        ),
        (["firmware", "build", "--out", "noise.bin"], "hil: noise.bin: cannot be written: File exists"),
        (["image", "info", "noise.bin"], "hil: noise.bin: "),
        (
            ["image", "mutate", "noise.bin", "nonsense", "--out", "x"],
            "hil: mutation 'nonsense': expected one of ",
        ),
        (["image", "mutate", "noise.bin", "tlv-hash"], "hil: hil image mutate: give --out FILE"),
        (["rigs", "show", "nowhere"], 'hil: no rig called "nowhere"; known: '),
        (["rigs", "dance"], "hil: No such command 'dance'"),
        (["firmware", "build", "--variant", "nonsense"], "hil: unknown firmware variant 'nonsense'"),
        (["run", "--rig", "nowhere"], 'hil: no rig called "nowhere"; known: '),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.hex").write_text(":10000000nonsense\n")
    (tmp_path / "empty.hex").write_text(":00000001FF\n")
    (tmp_path / "truncated.hex").write_text(":0400000001020304F2\n")
    (tmp_path / "key.pem").write_bytes(bench_key("test").private_pem())
    (tmp_path / "zeros.bin").write_bytes(bytes(64))
    (tmp_path / "noise.bin").write_bytes(b"noise")
    code, out, err = hil(monkeypatch, capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith(expected)
    assert len(err.splitlines()) == 1
