"""The application's test variants on the virtual kit, started by the real bootloader that has locked itself."""

from __future__ import annotations

import functools

import pytest

from hil.image.mcuboot import ImageVersion
from hil.image.sign import sign_image
from hil.image.variants import Behaviour, patch_behaviour
from hil.toolchain import build
from tests.firmware.device import CLASS, PRIMARY, PRIMARY_END, VENDOR, Device, key

WORD_WRITE, PAGE_ERASE, PARTIAL_ERASE, ERASE_ALL, REWRITE_ACL, UICR_WRITE, DMA_IN, DMA_OUT = range(1, 9)


@functools.cache
def application(version: str, behaviour: Behaviour, attack: int = 0) -> bytes:
    program = build().application
    assert program is not None
    return sign_image(
        patch_behaviour(program.data, behaviour, attack),
        key(),
        ImageVersion.parse(version),
        vendor=VENDOR,
        device_class=CLASS,
        slot_size=PRIMARY_END - PRIMARY,
    ).data


def run_until(device: Device, text: str, limit_ms: int = 8000) -> str:
    for _ in range(limit_ms // 20):
        if text in device.console.text:
            return device.console.text
        device.advance(20)
    raise AssertionError(f"no {text!r} in {device.console.text!r}")


def started(behaviour: Behaviour, attack: int = 0) -> Device:
    device = Device()
    device.install(application("1.0.0", behaviour, attack))
    device.volts = 3.0
    return device


@pytest.mark.parametrize("attack", [WORD_WRITE, PAGE_ERASE, PARTIAL_ERASE, ERASE_ALL, REWRITE_ACL])
def test_what_writes_to_the_locked_pages_faults_and_changes_nothing(attack: int) -> None:
    device = started(Behaviour.HOSTILE, attack)
    before = device.read(0, 0x11000)
    run_until(device, "attack on the provisioning page")
    device.advance(100)
    log = device.console.text
    assert log.count("attack faults: 1") == 2
    assert log.count("attack left the target as it was") == 2
    assert "CHANGED" not in log
    assert device.read(0, 0x11000) == before


@pytest.mark.parametrize("attack", [UICR_WRITE, DMA_IN, DMA_OUT])
def test_what_the_chip_lets_pass_without_a_fault_changes_nothing_either(attack: int) -> None:
    device = started(Behaviour.HOSTILE, attack)
    before = device.read(0, 0x11000)
    run_until(device, "attack on the provisioning page")
    device.advance(100)
    assert device.console.text.count("attack left the target as it was") == 2
    assert device.read(0, 0x11000) == before


def test_the_variant_that_faults_says_where_and_starts_again() -> None:
    device = started(Behaviour.FAULT)
    log = run_until(device, "app: fault cfsr 00010000")  # undefined instruction
    assert "variant: faults" in log
    device.console.text = ""
    run_until(device, "boot: ")


def test_the_variant_that_hangs_is_ended_by_the_watchdog() -> None:
    device = started(Behaviour.HANG)
    run_until(device, "variant: hangs")
    device.console.text = ""
    assert "watchdog" in run_until(device, "starts")


def test_the_variant_that_resets_does() -> None:
    device = started(Behaviour.RESET)
    run_until(device, "variant: resets")
    device.console.text = ""
    run_until(device, "soft reset")
