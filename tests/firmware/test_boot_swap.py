"""Swap, test, revert, confirm, and what a loss of power in between leaves. The real binary runs on the virtual kit."""

from __future__ import annotations

import random

import pytest

from hil.image.provisioning import PROVISIONING_ADDRESS
from tests.firmware.device import MAGIC, PRIMARY, PRIMARY_END, SECONDARY, SECONDARY_END, UPDATE, Device, image

OLD = image("1.0.0", 5000, counter=1)
NEW = image("1.1.0", 9000, counter=1)


def requested(seed: int = 1, **device: object) -> Device:
    kit = Device(seed=seed, **device)  # type: ignore[arg-type]
    kit.install(OLD)
    kit.request(NEW)
    return kit


def test_an_update_is_swapped_in_and_reverted_unless_confirmed() -> None:
    device = requested()
    assert device.start().rstrip().endswith("image 0 version 1.1.0 starts, unconfirmed")
    assert device.read(PRIMARY, len(NEW)) == NEW
    assert device.read(SECONDARY, len(OLD)) == OLD  # the former image, from the first page, as MCUboot has it
    text = device.power_cycle()
    assert "was not confirmed, back to version 1.0.0" in text
    assert text.rstrip().endswith("image 0 version 1.0.0 starts")
    assert device.read(PRIMARY, len(OLD)) == OLD
    assert device.read(UPDATE, len(NEW)) == NEW
    assert "swap" not in device.power_cycle()


def test_a_confirmed_update_stays() -> None:
    device = requested()
    device.start()
    device.confirm()
    for _ in range(2):
        assert device.power_cycle().rstrip().endswith("image 0 version 1.1.0 starts")


def test_a_permanent_update_needs_no_confirmation() -> None:
    device = Device()
    device.install(OLD)
    device.request(NEW, permanent=True)
    assert device.start().rstrip().endswith("image 0 version 1.1.0 starts")
    assert device.power_cycle().rstrip().endswith("image 0 version 1.1.0 starts")


def test_the_trailer_is_mcuboots() -> None:
    device = requested()
    device.start()
    trailer = device.read(PRIMARY_END - 56, 56)
    assert trailer[-16:] == MAGIC
    assert trailer[24] == 0x01  # copy_done
    assert trailer[32] == 0xFF  # image_ok
    assert trailer[16] == 0x02  # swap type test, image 0
    assert int.from_bytes(trailer[:4], "little") == len(NEW)  # swap size
    status = device.read(PRIMARY_END - 1080, 2 * 3 * 4 + 4)
    assert status == bytes.fromhex("01ffffff02ffffff") * 3 + b"\xff" * 4


def test_an_update_over_a_blank_primary_slot_is_installed() -> None:
    device = Device()
    device.request(NEW)
    assert device.start().rstrip().endswith("image 0 version 1.1.0 starts, unconfirmed")


def run_through_cuts(device: Device, cuts: list[tuple[int, str, float]]) -> None:
    """Each cut is so many flash operations after the power came back; then the device is left alone."""
    device.volts = 3.0
    for number, phase, depth in cuts:
        device.kit.faults.cut_at_operation(device.kit.faults.operations + number, phase, depth)  # type: ignore[arg-type]
        device.settle()
        device.kit.faults.cancel()
        device.kit.faults.cut_power()
        device.advance(20)
        device.kit.faults.cut_happened = False
        device.kit.faults.restore_power()


def assert_recovers(device: Device) -> None:
    """Whatever was cut: within a few starts the device runs one of the two images, whole, and ends reverted."""
    text = device.settle()
    for _ in range(3):
        last = text.rstrip().rpartition("\n")[2]
        if last.endswith("version 1.0.0 starts"):
            break
        assert last.endswith("version 1.1.0 starts, unconfirmed"), text
        assert device.read(PRIMARY, len(NEW)) == NEW
        text = device.power_cycle()
    assert device.read(PRIMARY, len(OLD)) == OLD, text


# The first operations write and clear trailers, where a cut changes what is to be done; then pages are copied.
@pytest.mark.parametrize("number", [*range(0, 12), 1040, 2500])
def test_a_cut_in_an_operation_of_the_swap_is_survived(number: int) -> None:
    device = requested(seed=number)
    run_through_cuts(device, [(number, "during", 0.5)])
    assert_recovers(device)


# The first operations write the request of the revert and clear the trailer of the image on test.
@pytest.mark.parametrize("number", [*range(0, 20, 2), pytest.param(1500, marks=pytest.mark.nightly)])
def test_a_cut_in_an_operation_of_the_revert_is_survived(number: int) -> None:
    device = requested(seed=number)
    device.start()
    run_through_cuts(device, [(number, "during", 0.5)])
    assert_recovers(device)
    assert device.read(UPDATE + 0x1000, 0x1000) == NEW[0x1000:0x2000]  # moved back, not lost


def test_a_revert_goes_back_to_what_was_confirmed_and_never_below() -> None:
    second, third = image("1.1.0", counter=2), image("1.2.0", counter=3)
    device = Device()
    device.install(OLD)
    device.request(second)
    device.start()
    device.confirm()
    assert device.power_cycle().rstrip().endswith("version 1.1.0 starts")  # raises the counter to 2
    device.erase(SECONDARY, SECONDARY_END)
    device.request(third)
    assert device.power_cycle().rstrip().endswith("version 1.2.0 starts, unconfirmed")
    assert device.power_cycle().rstrip().endswith("version 1.1.0 starts")
    device.erase(SECONDARY, SECONDARY_END)
    device.request(image("1.3.0", counter=1))
    text = device.power_cycle()
    assert "version 1.3.0 refused: security counter" in text
    assert text.rstrip().endswith("version 1.1.0 starts")


@pytest.mark.parametrize("flag", [b"\x01", b"\x81"])
def test_a_confirmation_cut_short_is_completed_before_the_counter_is_raised(flag: bytes) -> None:
    device = Device()
    device.install(OLD)
    device.request(image("1.1.0", counter=2))
    device.start()
    device.write(PRIMARY_END - 24, flag)
    operations = device.kit.faults.operations
    assert device.power_cycle().rstrip().endswith("version 1.1.0 starts")
    assert device.kit.faults.operations == operations + 3  # the flag again, and the two words of the counter
    assert device.power_cycle().rstrip().endswith("version 1.1.0 starts")
    assert device.kit.faults.operations == operations + 3


@pytest.mark.nightly
@pytest.mark.parametrize("number", [*range(0, 24), *range(500, 4000, 250)])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_cut_between_operations_of_the_swap_is_survived(number: int, phase: str) -> None:
    device = requested(seed=number)
    run_through_cuts(device, [(number, phase, 0.0)])
    assert_recovers(device)


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(3, 60))]
)
def test_cuts_upon_cuts_are_survived(seed: int) -> None:
    draw = random.Random(seed)
    cuts = [
        (
            draw.choice([draw.randrange(16), draw.randrange(4200)]),
            draw.choice(["before", "during", "after"]),
            draw.random(),
        )
        for _ in range(4)
    ]
    device = requested(seed=100 + seed)
    run_through_cuts(device, cuts)
    assert_recovers(device)


def test_no_swap_starts_below_the_threshold_and_the_old_image_runs() -> None:
    device = requested()
    device.volts = 2.10  # 10 %
    text = device.settle()
    assert "version 1.1.0 waits for the next start: battery 10 %" in text
    assert text.rstrip().endswith("version 1.0.0 starts")
    device.volts = 3.0
    assert device.power_cycle().rstrip().endswith("version 1.1.0 starts, unconfirmed")


def test_a_swap_under_way_waits_at_low_battery_with_the_flash_untouched() -> None:
    device = requested()
    device.volts = 3.0
    device.kit.faults.cut_at_operation(1500, "before")
    device.settle()
    device.volts = 2.10
    device.kit.faults.cut_happened = False
    device.kit.faults.restore_power()
    device.advance(500)
    assert "swap waits: battery 10 %" in device.console.text
    before, operations = device.read(0, 0x100000), device.kit.faults.operations
    device.advance(10_000)  # longer than the watchdog
    device.volts = 2.17  # above the threshold, below the hysteresis
    device.advance(5_000)
    assert (device.read(0, 0x100000), device.kit.faults.operations) == (before, operations)
    device.volts = 2.5
    text = device.settle()
    assert "swap goes on" in text
    assert text.rstrip().endswith("version 1.1.0 starts, unconfirmed")
    assert device.read(PRIMARY, len(NEW)) == NEW


def test_the_bootloader_is_locked_before_the_application_runs() -> None:
    device = requested()
    device.start()
    protected = device.kit.soc.cpu.nvm.write_protect_pages
    assert protected == (1 << 0x12) - 1
    assert device.read(PROVISIONING_ADDRESS, 4) != b"\xff" * 4


@pytest.mark.parametrize(
    ("defect", "sign"),
    [
        ("signature", "version 2.0.0 starts"),
        ("version", "version 0.9.0 starts"),
        ("confirm", "version 1.1.0 starts, unc"),
    ],
)
def test_a_bootloader_without_a_check_lets_the_fault_through(defect: str, sign: str) -> None:
    device = Device(defect=defect)
    device.install(OLD)
    wanted = {
        "signature": image("2.0.0", counter=1, signer="somebody else"),
        "version": image("0.9.0", counter=1),
        "confirm": NEW,
    }[defect]
    device.request(wanted)
    text = device.start()
    assert "TEST BUILD WITH A DEFECT" in text
    assert sign in (device.power_cycle() if defect == "confirm" else text)


def test_a_bootloader_without_the_lock_leaves_itself_writable() -> None:
    device = Device(defect="acl")
    device.install(OLD)
    device.start()
    assert device.kit.soc.cpu.nvm.write_protect_pages == 0
