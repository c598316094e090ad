"""Building and loading the native core: stale libraries are rebuilt, and otherwise refused clearly."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.errors import BenchError
from hil.virtual.native import build, core


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / build.library_path().name
    monkeypatch.setattr(build, "library_path", lambda: path)
    core.library.cache_clear()
    yield path
    core.library.cache_clear()


def no_compiler() -> Path:
    raise build.BuildError("no compiler here")


def test_a_missing_or_stale_library_is_built(elsewhere: Path) -> None:
    elsewhere.write_bytes(b"hil-core-sha256:" + b"0" * 64)
    loaded = core.library()
    assert loaded.core_size() == ctypes.sizeof(core.Core)
    assert [path.name for path in elsewhere.parent.iterdir()] == [elsewhere.name]  # no compiler cache


def test_without_a_compiler_the_error_says_what_is_missing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "build", no_compiler)
    with pytest.raises(BenchError, match="missing or stale: no compiler here"):
        core.library()


def test_a_library_of_other_sources_is_refused(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere.write_bytes(b"hil-core-sha256:" + build.source_hash().encode())
    with pytest.raises(BenchError, match="cannot be loaded"):
        core.library()


def test_an_unknown_platform_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(build.BuildError, match="pdp11"):
        build.target()
