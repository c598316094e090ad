"""The wire log: what is written is read back, and what nobody wrote is refused in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InputError
from hil.replay.log import LogWriter, read
from hil.replay.values import Decoder, Encoder

plain = st.none() | st.booleans() | st.integers(-(1 << 40), 1 << 40) | st.text(max_size=20)
values = st.recursive(
    plain | st.binary(max_size=200) | st.lists(st.integers(0, (1 << 32) - 1), min_size=4, max_size=60),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(values, max_size=6))
def test_what_is_written_is_read_back(written: list[Any]) -> None:
    encoder, decoder = Encoder(), Decoder()
    as_json = json.loads(json.dumps([encoder.encode(value) for value in written]))
    assert [decoder.decode(value) for value in as_json] == written


@given(
    st.recursive(
        plain | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner),
    )
)
def test_what_nobody_wrote_is_refused_or_a_value(value: Any) -> None:
    try:
        Decoder().decode(value)
    except InputError:
        return


def written(path: Path) -> Path:
    log = LogWriter(path, bench="served", seed=3)
    log.call("supply", "write", ("OUTP ON",), 0.0, 0.25)
    log.sent("central", 0.5, b"\x01\x03\x0c\x00")
    log.came("central", 0.6, b"\x04\x0e\x04\x01\x03\x0c\x00", joined=True)
    number = log.call("probe", "read_ap", (4,), 0.7, 0.7, later=True)
    log.answer("probe", number, 0.8, 42, None)
    log.broke("console", 0.9, ("serial.serialutil.SerialException", "gone", None))
    log.close()
    return path


def test_entries_come_back_in_order_with_their_answers(tmp_path: Path) -> None:
    log = read(written(tmp_path / "wire.jsonl.gz"))
    assert (log.bench, log.seed) == ("served", 3)
    call, out, came, deferred, _, broken = log.entries
    assert (call.operation, call.arguments, call.end) == ("write", ["OUTP ON"], 0.25)
    assert (out.kind, out.data) == ("out", b"\x01\x03\x0c\x00")
    assert came.joined
    assert (deferred.result, deferred.arrived) == (42, 0.8)
    assert broken.error == ("serial.serialutil.SerialException", "gone", None)


def test_a_recording_that_was_killed_says_how_far_it_came(tmp_path: Path) -> None:
    path = written(tmp_path / "wire.jsonl.gz")
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:-1])))
    with pytest.raises(InputError, match="was cut off after 6 entries, so it cannot be replayed"):
        read(path)
    path.write_bytes(gzip.compress(b"".join(lines))[:-30])
    with pytest.raises(InputError, match=r"cut off|cannot be read"):
        read(path)


def test_a_recording_has_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl.gz"
    log = LogWriter(path, bench="real", seed=1, limit=1000)
    for number in range(100):
        log.sent("central", float(number), bytes(40))
    assert log.cut
    log.close()
    with pytest.raises(InputError, match="reached its bound"):
        read(path)


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (['{"hil-wire-log": 99, "bench": "real", "seed": 1}'], "not a wire log of version 1"),
        (["[1, 2]"], "line 1: not an entry"),
        (["{"], "line 1: not JSON"),
        (['{"hil-wire-log": 1, "bench": "moon", "seed": 1}', '{"end": 0}'], "does not say on which bench"),
        (['{"hil-wire-log": 1, "bench": "real", "seed": 1}', '{"end": 3}'], "has lost entries"),
        (['{"hil-wire-log": 1, "bench": "real", "seed": 1}', '{"t": -1, "w": "x"}'], "has no time"),
        (
            ['{"hil-wire-log": 1, "bench": "real", "seed": 1}', '{"t": 1, "w": "x", "re": 1}'],
            "answer is to no",
        ),
        (
            ['{"hil-wire-log": 1, "bench": "real", "seed": 1}', '{"t": 1, "w": "x", "i": {"b": "zz"}}'],
            "neither",
        ),
        (
            ['{"hil-wire-log": 1, "bench": "real", "seed": 1}', '{"t": 1, "w": "x", "c": []}'],
            "names no operation",
        ),
    ],
)
def test_damage_is_told_in_a_line(tmp_path: Path, lines: list[str], what: str) -> None:
    path = tmp_path / "wire.jsonl.gz"
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    with pytest.raises(InputError, match=what) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=300))
def test_any_file_is_refused(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wire.jsonl.gz"
        for content in (data, gzip.compress(data)):
            path.write_bytes(content)
            with pytest.raises(InputError):
                read(path)
