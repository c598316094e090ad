"""A bootloader with one check left out does not pass: the case that is there for the check fails, for that reason.

That the same cases pass on the sound bootloader is what each run of the smoke plan shows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.run.known import known
from hil.toolchain.variants import DEFECTS
from tests.whole.running import hil_run

# Check left out -> the case that is there for it, and what the case then says of the device.
FAILURES = {
    "signature": ("AUTH-02[payload-rehashed]", "the image was taken (payload-rehashed)"),
    "version": ("VER-01[lower major]", "version 1.9.9+9 with security counter 1 was installed over 2.3.4+5"),
    "battery": ("BAT-02", "the swap was done below the battery threshold"),
    "confirm": ("RB-01[NEVER_CONFIRM]", "1.1.0 was started again though it never confirmed"),
    "acl": ("PROT-01[word write]", "word write changed the bootloader"),
    "anomaly242": ("PWR-06", "the CPU hung until the watchdog reset it"),
    "factory_reset": ("FR-01", "a factory reset brought the former version back"),
}


def test_there_is_a_case_for_every_check_that_can_be_left_out() -> None:
    """That they all fail is what `hil run --plan nightly --controls` shows; here a few are looked at for the reason."""
    named = {control.defect for case in known("nightly")[1] for control in case.info.controls}
    # `vectors` would need an image that is signed and does not start: no case makes one. The others are what a
    # power-fail sweep is for (tests/sweep).
    assert named == set(DEFECTS) - {"vectors", "copy_done", "status", "magic", "revert", "request"}


@pytest.mark.parametrize("defect", FAILURES)
def test_the_case_for_a_check_fails_without_it(tmp_path: Path, defect: str) -> None:
    case, reason = FAILURES[defect]
    ended = hil_run(tmp_path, "--case", case, "--defect", defect)
    told = {name: (result["outcome"], result["reason"]) for name, result in ended.results.items()}
    assert told == {case: ("failed", reason)}
    assert ended.code == 1, ended.err
    # Without the defect in it, the command would repeat the case on the sound bootloader, where it passes.
    assert f"--defect {defect} " in ended.results[case]["command"]
