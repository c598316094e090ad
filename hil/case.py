"""What a test module writes to be a case of a plan: its id, its sentence, its stages and its figures.

from hil.case import case, stage

@case("XFER-03", "A dropped link resumes from the last confirmed offset", evidence_for=["BRIEF-resume"])
def test_link_drop_resumes(dut, update, images):
    with stage("upload"):
        ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from hil.binomial import upper_bound
from hil.errors import InputError
from hil.run import recorder
from hil.run.cases import MARKER, CaseInfo, Control

_ID = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+")
_Function = TypeVar("_Function", bound=Callable[..., Any])


def case(
    id: str,
    sentence: str,
    *,
    evidence_for: Sequence[str] = (),
    needs: Sequence[str] = (),
    controls: Sequence[str] = (),
) -> Callable[[_Function], _Function]:
    """Make a pytest function a case.

    `id` is capitals, digits and dashes, such as XFER-03, and unique in a plan. `sentence` says what holds when the case
    passes, in one sentence for a reader who does not know the test. `evidence_for` names requirements. `needs` names
    capabilities of the bench and `device.` features (hil.rig.schema.RigFile.capabilities); a bench without one of them
    skips the case and says so. `controls` names defective firmware (hil.toolchain.variants) on which the case must
    fail, to show that it can: "version", or "signature:payload-rehashed" for one instance of a case with parameters.

    Raises InputError when the id or the sentence is malformed.
    """
    if _ID.fullmatch(id) is None:
        raise InputError(f'case id "{id}": expected capitals, digits and dashes, such as XFER-03')
    if not sentence.strip() or "\n" in sentence:
        raise InputError(f"case {id}: expected one sentence on one line")
    info = CaseInfo(
        id, sentence.strip(), tuple(evidence_for), tuple(needs), tuple(map(Control.parse, controls))
    )

    def mark(function: _Function) -> _Function:
        marked: _Function = getattr(pytest.mark, MARKER)(info)(function)
        return marked

    return mark


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A named part of a case: shown live, and with its place in time in the report."""
    with recorder.current().stage(name):
        yield


def progress(done: int, total: int) -> None:
    """Tell how far the present stage is, both in bytes; the rate is reckoned from the bench's clock."""
    recorder.current().progress(done, total)


def measured(name: str, value: float, unit: str) -> None:
    """Keep a figure of this case, such as ("duration", 12.5, "s"), in its result and in the report."""
    recorder.current().measured(name, value, unit)


def swept(
    scenario: str,
    *,
    operation: int,
    operations: int,
    phase: str,
    held: bool,
    what: str = "",
    depth: float = 0.5,
) -> None:
    """Keep one point of a power-fail sweep: a place of the report's sweep map.

    `scenario` names what was cut, such as "swap". The power was cut at flash operation `operation` of `operations` that
    the scenario takes (the first is 0), `phase` "before", "during" or "after" it; `depth`, 0 to 1, is how far a torn
    operation had got. `held` says whether the device recovered, and `what` how, in a few words.
    """
    recorder.current().swept(
        {
            "scenario": scenario,
            "operation": operation,
            "operations": operations,
            "phase": phase,
            "depth": depth,
            "held": held,
            "what": what,
        }
    )


def timed_random(trials: int, failures: int) -> None:
    """Keep what cuts at random moments of time say: how many there were, and the failure rate that they leave open.

    A sweep over all flash operations says that none fails; moments drawn at random only say how often one could: with
    95 % confidence no more often than the bound that is kept here, 3/N where none of N failed.
    """
    recorder.current().measured("cuts at random moments", trials, "")
    recorder.current().measured("cuts that were not survived", failures, "")
    rate = upper_bound(failures, trials)
    recorder.current().measured("upper bound of the failure rate, 95 %", 100.0 * rate, "%")


def throughput(
    *,
    kind: str,
    phy: str,
    mtu: int,
    data_length: int,
    interval_ms: float,
    payload_bytes: int,
    seconds: float,
    ceiling_bytes_per_second: float,
    bound_by: str,
) -> None:
    """Keep a measured throughput: a line of throughput.csv and a bar of the report's plot.

    `kind` says what was measured (link, device, dfu). `mtu` is the ATT MTU and `data_length` the link layer's payload,
    bytes. `seconds` is bench time. `ceiling_bytes_per_second` is the closed form that the figure is held against, and
    `bound_by` names the stage that it comes from (air, HCI UART, flash).
    """
    rate = payload_bytes / seconds if seconds > 0 else 0.0
    recorder.current().throughput(
        {
            "kind": kind,
            "phy": phy,
            "mtu": mtu,
            "data_length": data_length,
            "interval_ms": interval_ms,
            "payload_bytes": payload_bytes,
            "seconds": round(seconds, 6),
            "bytes_per_second": round(rate, 1),
            "ceiling_bytes_per_second": round(ceiling_bytes_per_second, 1),
            "efficiency": round(rate / ceiling_bytes_per_second, 4) if ceiling_bytes_per_second > 0 else 0.0,
            "bound_by": bound_by,
        }
    )
