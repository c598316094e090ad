"""Power-fail sweeps of the bootloader, as cases of a plan: `hil sweep` with a bound that no clock decides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.case import case, measured, stage
from hil.report.sweep_page import page
from hil.rig.product import Product
from hil.rig.rig import Rig
from hil.run import recorder
from hil.sweep import run, scenarios


@case(
    "SWEEP-01",
    "Power cut before, in and after flash operations of the bootloader and of each recovery: all invariants hold",
    evidence_for=["BRIEF-rollback", "BRIEF-dual-bank", "CRA-I.2.h", "ISVS-3.4.7"],
    needs=["faults"],
    controls=["swap_resume:upgrade"],
)
@pytest.mark.sweep
@pytest.mark.parametrize("points", [3000], ids=[pytest.HIDDEN_PARAM])
@pytest.mark.parametrize("scenario", ["upgrade", "revert", "permanent", "downgrade"])
def test_power_fail_sweep(
    product: Product, rig: Rig, hil_case_folder: Path, scenario: str, points: int
) -> None:
    """`points` bounds the cuts that are decided; a plan that gives more explores more, until nothing is left."""
    with stage("prepare"):
        chosen = scenarios.of(rig.file, scenario, defect=product.build.defect)
    with stage("sweep"):
        found = run.sweep(
            rig.file,
            chosen,
            seed=recorder.current().seed,
            most_points=points,
            check=0.02,
            remember_crypto=True,
        )
    for name in ("points", "states", "booted"):
        measured(
            {"points": "cuts decided", "states": "states", "booted": "starts"}[name],
            found["counts"][name],
            "",
        )
    (hil_case_folder / "sweep.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (hil_case_folder / "sweep.html").write_text(page(found), encoding="utf-8")
    first = found["violations"][0] if found["violations"] else None
    assert first is None, (
        f"{found['violations_found']} violations; {first['invariant']}: {first['text']}, after "
        + "; ".join(step["words"] for step in first["path"])
    )
