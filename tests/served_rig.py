"""A rig file for a bench that `hil serve` holds open: everything is reached as on a real bench, on the wall clock."""

from __future__ import annotations

import re
from pathlib import Path

from hil.rig import files
from tests.serve.served import Served


def rig_file(served: Served, path: Path, *, name: str = "served", max_volts: float = 3.6) -> Path:
    """Write to `path` the rig file of the bundled device behind a running `hil serve`, and return `path`."""
    text = files.find("virtual").read_text(encoding="utf-8").split("[virtual]")[0]
    central, spare = (each for _, each in sorted(served["controllers"].items()))
    for old, new in (
        (r'^name = "virtual"', f'name = "{name}"'),
        (r'^bench = "virtual"', 'bench = "served"'),
        (r'^unique_id = "kit0"', f'unique_id = "{served["swd"]}"'),
        (r'^resource = ".*"', f'resource = "{served["supply"]}"'),
        (r"^max_volts = 3\.6", f"max_volts = {max_volts}"),
        (r'^transport = "hil:central"', f'transport = "{central}"'),
        (r'^transport = "hil:spare"', f'transport = "{spare}"'),
        (r'^port = "hil://kit0/console"', f'port = "{served["console"]}"'),
    ):
        text, changed = re.subn(old, new, text, flags=re.MULTILINE)
        assert changed == 1, old
    path.write_text(text, encoding="utf-8")
    return path
