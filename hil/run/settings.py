"""What was asked of a run, by `hil run` or by pytest's own command line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hil.rig import files
from hil.rig.schema import RigFile
from hil.run import plan as plans
from hil.run.plan import Plan

DEFAULT_SEED = 1

WORKER_RIG = "hil_rig"
"""The key of a pytest-xdist worker's input that names its rig, as it was given on the command line."""


@dataclass(frozen=True)
class Settings:
    """The rig, plan and seed of a run, as given; `cases` are the ids, if only some were asked for.

    `defect` names the check that the bootloader was built without; None for a sound one. `fail_unmodelled` fails a
    case whose firmware touches what the virtual bench does not model.
    """

    rig: str = files.DEFAULT
    plan: str | None = None
    seed: int = DEFAULT_SEED
    cases: tuple[str, ...] = field(default=())
    defect: str | None = None
    fail_unmodelled: bool = False
    record: bool | None = None
    """Whether to record what crosses the wires; None: on every bench but a virtual one, which its seed repeats."""
    replay: str | None = None
    """The run folder whose wire logs stand for the bench."""

    def command(self, instance: str) -> str:
        """The command that runs just this case again, from the same seed."""
        if self.replay is not None:
            return shlex.join(["hil", "replay", self.replay, "--case", instance])
        words = ["hil", "run", "--rig", self.rig]
        if self.plan:
            words += ["--plan", self.plan]
        if self.defect:
            words += ["--defect", self.defect]
        if self.fail_unmodelled:
            words.append("--fail-unmodelled")
        return shlex.join([*words, "--seed", str(self.seed), "--case", instance])


def of(config: pytest.Config) -> Settings:
    """Read them from pytest's options. Raises InputError when the plan cannot be read."""
    name = config.getoption("hil_plan")
    plan = plan_of(config)
    seed = config.getoption("hil_seed")
    if seed is None:
        seed = plan.seed if plan is not None else DEFAULT_SEED
    own: str | None = getattr(config, "workerinput", {}).get(WORKER_RIG)
    return Settings(
        own or config.getoption("hil_rig") or files.DEFAULT,
        name,
        seed,
        tuple(config.getoption("hil_case")),
        config.getoption("hil_defect"),
        bool(config.getoption("hil_fail_unmodelled") or (plan is not None and plan.fail_unmodelled)),
        config.getoption("hil_record"),
        config.getoption("hil_replay"),
    )


def rig_of(settings: Settings) -> RigFile:
    """The rig that a run is on, or that the run which is replayed was on. Raises InputError."""
    if settings.replay is not None:
        return files.load_recorded(Path(settings.replay))
    return files.load(settings.rig)


def records(settings: Settings, rig: RigFile) -> bool:
    """Whether the run keeps wire logs."""
    return settings.record if settings.record is not None else rig.bench != "virtual"


def plan_of(config: pytest.Config) -> Plan | None:
    """The plan that the options name, or None. Raises InputError."""
    name = config.getoption("hil_plan")
    return plans.load(name) if name else None
