"""Writes the transcripts anew, after a driver was changed on purpose: python -m tests.probe.transcripts.write"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from tests.probe.test_contract import TRANSCRIPTS, make_bench, session


def main() -> None:
    for name in ("nrfjprog", "nrfutil"):
        path = TRANSCRIPTS / f"{name}.json"
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            benches = make_bench(name, Path(folder), patch)
            calls = session(next(benches))
            list(benches)
        written = json.loads(path.read_text()) | {"calls": calls}
        head = {key: value for key, value in written.items() if key != "calls"}
        lines = ",\n".join("  " + json.dumps(call) for call in written["calls"])
        path.write_text(json.dumps(head, indent=1)[:-2] + ',\n "calls": [\n' + lines + "\n ]\n}\n")


if __name__ == "__main__":
    main()
