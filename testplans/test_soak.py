"""Many updates in a row: nothing wears out before its time, nothing gets slower, nothing is left over."""

from __future__ import annotations

import statistics

import pytest

from hil.case import case, measured, progress, stage
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages, ReportedUpdate

ENDURANCE = 10_000
"""Erase cycles that a page of the nRF52840's flash stands (Product Specification, NVMC, Electrical specification)."""
DRIFT = 1.05
"""How much longer the last updates may take than the first ones."""


@case(
    "SOAK-01",
    "Updates back and forth between two images are all taken, in the same time, and wear the flash as reckoned",
    evidence_for=["BRIEF-architecture", "CRA-I.2.c", "CRA-I.2.h", "CRA-II.3"],
    needs=["central"],
)
@pytest.mark.parametrize("updates", [100], ids=[pytest.HIDDEN_PARAM])
def test_back_and_forth(
    dut: Device, update: ReportedUpdate, images: ReportedImages, rig: Rig, updates: int
) -> None:
    before = dict(rig.faults.flash_wear) if rig.faults is not None else {}
    seconds: list[float] = []
    with stage("updates"):
        for number in range(1, updates + 1):
            # Two contents, by turns; each time a version greater than the last, as the policy wants it.
            size = 40 * 1024 if number % 2 else 44 * 1024
            image = images.make(f"1.{number}.0", size=size)
            began = rig.clock()
            update.run(image, on_progress=lambda _: None)
            seconds.append(rig.clock() - began)
            progress(number, updates)
            assert dut.version == image.version, f"update {number} of {updates} was not taken"
    with stage("figures"):
        tenth = max(1, updates // 10)
        first, last = statistics.median(seconds[:tenth]), statistics.median(seconds[-tenth:])
        measured("updates", updates, "")
        measured("time to update, first", round(first, 3), "s")
        measured("time to update, last", round(last, 3), "s")
        assert last <= first * DRIFT, f"updates got slower: {first:.2f} s at first, {last:.2f} s at last"
        if rig.faults is None:
            return  # no instrument counts erases
        wear = {page: times - before.get(page, 0) for page, times in rig.faults.flash_wear.items()}
        page, worst = max(wear.items(), key=lambda item: item[1])
        measured("erases of the most worn page", worst, "")
        measured("address of the most worn page", page, "")
        measured("erases of all pages", sum(wear.values()), "")
        lifetime = ENDURANCE * updates // max(1, worst)
        measured("updates until a page is worn out", lifetime, "")
        assert lifetime >= 1_000, f"page 0x{page:x} is worn out after {lifetime} updates"
        for name, region in dut.file.regions():
            if name in ("bootloader", "provisioning"):
                touched = [each for each in wear if region.start <= each < region.end and wear[each]]
                assert not touched, f"the {name} was erased at 0x{touched[0]:x}"
