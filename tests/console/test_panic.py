"""The last words of firmware that gave up are recognised, and kept for the record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.console.panic import MOST, PanicWatch
from hil.errors import InputError


@pytest.mark.parametrize(
    "line",
    [
        "[00:00:01.234,000] <err> os: >>> ZEPHYR FATAL ERROR 25: Unknown error on CPU 0",
        "E: ***** MPU FAULT *****",
        "E: ***** HARD FAULT *****",
        "ASSERTION FAIL [0] @ ZEPHYR_BASE/kernel/sched.c:1",
        "E: Unable to find bootable image",
        "<error> app: FATAL ERROR: 0x4001",
        "app: fault cfsr 00008200 hfsr 40000000 bfar 00000000 pc 00012345 lr 00012300",
        "boot: no valid image, waiting for a probe",
    ],
)
def test_a_panic_is_recognised(line: str) -> None:
    watch = PanicWatch()
    watch.look(line, f"[1.0] {line}")
    assert watch.lines == [f"[1.0] {line}"]


@pytest.mark.parametrize("line", ["app: version 1.0.0", "no default fault handler", "HARD times", ""])
def test_other_lines_are_not(line: str) -> None:
    watch = PanicWatch()
    watch.look(line, line)
    assert watch.lines == []


def test_a_rig_may_add_its_own_and_a_bad_one_is_told() -> None:
    watch = PanicWatch([r"^kernel: oops"])
    watch.look("kernel: oops 3", "kernel: oops 3")
    assert watch.count == 1
    with pytest.raises(InputError, match=r'console\.panic: "\(" is not a regular expression'):
        PanicWatch(["("])


def test_what_is_kept_is_bounded() -> None:
    watch = PanicWatch()
    for number in range(3 * MOST):
        watch.look("ASSERTION FAIL [x]", str(number))
    assert (len(watch.lines), watch.count) == (MOST, 3 * MOST)


@given(st.text(max_size=4096))
def test_any_line_is_looked_at(line: str) -> None:
    PanicWatch().look(line, line)
