"""What the command line asked of a run, and the arguments that this makes for pytest."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from hil import bundled
from hil.lab.reserved import LabWanted, Reserved
from hil.rig import files
from hil.run import plan as plans


@dataclass(frozen=True)
class Asked:
    """What the command line asked for."""

    rig: str = files.DEFAULT
    rigs: tuple[str, ...] = ()
    """Where several rigs share the plan, all of them; `rig` is then the first, or that of a worker."""
    plan: str = plans.DEFAULT
    out: Path | None = None
    seed: int | None = None
    cases: tuple[str, ...] = ()
    workers: int | None = None
    defect: str | None = None
    fail_unmodelled: bool = False
    controls: bool = False
    resume: Path | None = None
    record: bool | None = None
    replay: Path | None = None
    pytest_arguments: tuple[str, ...] = field(default=())
    lab: LabWanted | None = None
    """The rig is a place of a laboratory; `rig` then says what its device is."""
    reserved: Reserved | None = None
    """The place that the laboratory gave; `rig` is then its rig file."""


def folder_of(plan: str) -> Path:
    """Where the cases of a plan are, given by name or path: beside its file when there are test modules, else the
    bundled ones.
    """
    if Path(plan).suffix != ".toml":
        return bundled.testplans()
    here = Path(plan).resolve().parent
    return here if any(here.glob("test_*.py")) else bundled.testplans()


def digest_of(modules: Path) -> str:
    """SHA-256 over the Python files of the folder of the cases, their names included."""
    digest = hashlib.sha256()
    for path in sorted(modules.glob("*.py")):
        digest.update(f"{path.name}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def configuration(folder: Path) -> list[str]:
    """What pytest is told of the folder of the cases."""
    # Neither the user's configuration nor the folder the command is given in may change what a plan does.
    ini = folder / "pytest.ini"
    arguments = ["-c", str(ini) if ini.is_file() else os.devnull, f"--rootdir={folder}", str(folder)]
    # Where hypothesis is installed its plugin takes longer to import than a short case to run.
    return [*arguments, "-p", "no:hypothesispytest"]


def arguments(folder: Path, asked: Asked) -> list[str]:
    """What pytest is told of the cases and their bench."""
    words = [*configuration(folder), f"--hil-rig={asked.rig}", f"--hil-plan={asked.plan}"]
    if asked.seed is not None:
        words.append(f"--hil-seed={asked.seed}")
    if asked.defect is not None:
        words.append(f"--hil-defect={asked.defect}")
    if asked.fail_unmodelled:
        words.append("--hil-fail-unmodelled")
    if asked.record is not None:
        words.append("--hil-record" if asked.record else "--no-hil-record")
    if asked.replay is not None:
        words.append(f"--hil-replay={asked.replay}")
    return words + [f"--hil-case={case}" for case in asked.cases]
