"""Pytest hooks of the process that runs cases: seeds, recording, needs, and what counts as whose failure."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hil.errors import BenchError, DeviceError
from hil.rig import calibration
from hil.rig.schema import RigFile
from hil.run import recorder as recorders
from hil.run.breaker import Breaker
from hil.run.cases import CaseInfo, info_of
from hil.run.folder import WALL_KEY, RunFolder
from hil.run.interrupt import hides_an_interrupt
from hil.run.live import LiveFile
from hil.run.recorder import Recorder, Row
from hil.run.retry import may_begin_again
from hil.run.settings import Settings
from hil.run.unmodelled import refuse

REPEAT_ARGUMENT = "hil_repeat"

_RECORDER = pytest.StashKey[Recorder]()
_PHASES = pytest.StashKey[dict[str, Row]]()
_STARTED = pytest.StashKey[tuple[str, float]]()

# A place in memory differs from run to run, and says nothing to a reader.
_MEMORY_ADDRESS = re.compile(r"\b0x[0-9a-f]{9,16}\b")


def recorder_of(item: pytest.Item) -> Recorder:
    """The recorder of the case that `item` runs."""
    if _RECORDER not in item.stash:
        item.stash[_RECORDER] = Recorder(instance_id(item), 0)
    return item.stash[_RECORDER]


def has_failed(item: pytest.Item) -> bool:
    """Whether a phase of `item` has already gone wrong."""
    return any(
        phase["outcome"] not in ("passed", "skipped") for phase in item.stash.get(_PHASES, {}).values()
    )


def instance_id(item: pytest.Item) -> str:
    """The id of a case with its parameters, such as XFER-03[0.5] or, repeated, XFER-03[0.5]#2."""
    info = info_of(item)
    name = info.id if info is not None else item.name.split("[")[0]
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return name
    repeat = callspec.params.get(REPEAT_ARGUMENT, 0)
    ids = [part for part in [_parameter_id(item, repeat)] if part]
    text = f"{name}[{ids[0]}]" if ids else name
    return f"{text}#{repeat + 1}" if repeat else text


def _parameter_id(item: pytest.Item, repeat: int) -> str:
    parts = item.name.partition("[")[2].removesuffix("]")
    if REPEAT_ARGUMENT not in _params(item):
        return parts
    return "-".join(part for part in parts.split("-") if part != f"repeat{repeat}")


def _params(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec is not None else {}


class CaseHooks:
    """Registered in the process that runs the tests as soon as one of them is a case."""

    def __init__(self, settings: Settings, rig: RigFile, folder: Path | None, worker: str) -> None:
        self._settings = settings
        self._rig = rig
        self._worker = worker
        self._notify = LiveFile(folder, worker) if folder is not None else None
        self.folder = RunFolder(folder) if folder is not None else None
        self._breaker = Breaker(rig.name, rig.recovery.give_up_after)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Give each case its own recorder and seed."""
        if info_of(item) is None:
            return (yield)
        noted = self._begin(item)
        with recorders.recording(noted):
            result = yield
        if self._rig.bench != "virtual" and not self._breaker.is_open:
            self._breaker.ended(_fault(item.stash[_PHASES]))
        return result

    def _begin(self, item: pytest.Item) -> Recorder:
        """A recorder for an attempt at a case."""
        instance = instance_id(item)
        noted = Recorder(instance, recorders.case_seed(self._settings.seed, instance))
        if self._notify is not None:
            noted.notify = self._notify
            noted.notify(recorders.Progress(instance, "begin"))
        item.stash[_RECORDER] = noted
        item.stash[_PHASES] = {}
        item.stash[_STARTED] = (datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter())
        return noted

    def again(self, item: pytest.Item, attempt: int) -> bool:
        """Whether a case is to begin anew after its attempt of this number; makes it ready for that."""
        if info_of(item) is None or attempt > self._rig.recovery.retries or self._breaker.is_open:
            return False
        phases = item.stash[_PHASES]
        if not may_begin_again(phases):
            return False
        former = recorder_of(item)
        told = [*former.notes.get("retried", []), str(phases["setup"]["reason"])]
        if self.folder is not None:
            self.folder.put_aside(former.instance)
        noted = self._begin(item)
        noted.notes["retried"] = told
        recorders.follow(noted)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a case that needs what this bench or this device has not."""
        info = info_of(item)
        if info is None:
            return
        if self._breaker.is_open:
            raise BenchError(self._breaker.reason)
        missing = sorted(set(info.needs) - self._rig.capabilities())
        if missing:
            pytest.skip(f"rig {self._rig.name} has no {', '.join(missing)}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Where it is asked for, fail a case that held if its firmware touched what is not modelled."""
        result = yield
        if self._settings.fail_unmodelled and info_of(item) is not None:
            refuse(recorder_of(item).unmodelled())
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell the device's failures from the bench's, and put the case's result on its last report."""
        if call.excinfo is not None and hides_an_interrupt(call.excinfo.value):
            raise KeyboardInterrupt
        info = info_of(item)
        if info is None or _PHASES not in item.stash:
            return (yield)
        # The report of the call carries what was known by then, and the page for people is made from that one.
        if call.when == "setup":
            item.user_properties.extend(self._properties(item, info))
        elif call.when == "teardown":
            images = recorder_of(item).images
            item.user_properties.extend((f"image.{name}", digest) for name, digest in sorted(images.items()))
        report = yield
        phases = item.stash[_PHASES]
        # call.when, not report.when: the latter is changed below so that JUnit and the HTML say error or failure.
        phases[call.when] = phase = _phase(report, call)
        if phase["outcome"] == "failed":
            self._acquit(item, phase)
        if report.failed and call.when != "teardown":
            report.when = "call" if phases[call.when]["outcome"] == "failed" else "setup"
        if call.when == "teardown":
            result = self._result(item, info)
            report.hil_result = result  # type: ignore[attr-defined]  # travels with the report from worker to writer
        return report

    @staticmethod
    def _acquit(item: pytest.Item, phase: Row) -> None:
        """A device is blamed only over a bench that works: where an instrument is gone, it was that."""
        ailing = recorder_of(item).ailing()
        if ailing is not None:
            phase |= {
                "outcome": "error",
                "bench": True,
                "reason": f"{ailing}; it was seen as: {phase['reason']}",
            }

    def _properties(self, item: pytest.Item, info: CaseInfo) -> list[tuple[str, object]]:
        noted = recorder_of(item)
        properties: list[tuple[str, object]] = [
            ("case", noted.instance),
            ("sentence", info.sentence),
            ("rig", self._rig.name),
            ("bench", self._rig.kind),
            ("seed", noted.seed),
        ]
        return properties + [("evidence_for", requirement) for requirement in info.evidence_for]

    def _result(self, item: pytest.Item, info: CaseInfo) -> Row:
        noted = recorder_of(item)
        phases = item.stash[_PHASES]
        outcome, reason = _verdict(phases)
        started, began = item.stash[_STARTED]
        artefacts = self._artefacts(noted, phases, outcome)
        fault = _fault(phases)
        return {
            **({"bench_fault": True} if fault is not None else {}),
            **({"not_run": True} if self._breaker.is_open else {}),
            "id": noted.instance,
            "case": info.id,
            "sentence": info.sentence,
            "evidence_for": list(info.evidence_for),
            "needs": list(info.needs),
            "controls": [vars(control) for control in info.controls],
            "outcome": outcome,
            "reason": reason,
            "rig": self._rig.name,
            "bench": self._rig.kind,
            "calibration": calibration.told(self._rig, datetime.now(UTC).date()),
            "seed": noted.seed,
            "seconds": round(noted.notes.pop("seconds", 0.0), 6),
            "stages": noted.stages,
            "figures": noted.figures,
            "throughput": noted.rows,
            "sweep": noted.points,
            "images": noted.images,
            "notes": noted.notes,
            "artefacts": artefacts,
            "command": self._settings.command(noted.instance),
            "nodeid": item.nodeid,
            WALL_KEY: {
                "started": started,
                "seconds": round(time.perf_counter() - began, 3),
                "worker": self._worker,
                "steps": {name: round(phase["seconds"], 3) for name, phase in phases.items()},
            },
        }

    def _artefacts(self, noted: Recorder, phases: dict[str, Row], outcome: str) -> list[str]:
        if self.folder is None or self._breaker.is_open:
            return []  # what was not run leaves nothing
        folder = self.folder.case_folder(noted.instance)
        if outcome in ("failed", "error"):
            text = "\n\n".join(phase["text"] for phase in phases.values() if phase["text"])
            command = self._settings.command(noted.instance)
            head = f"{noted.instance}: {outcome}\nseed {noted.seed}\nrepeat with: {command}"
            (folder / "failure.txt").write_text(f"{head}\n\n{text}\n", encoding="utf-8")
        return sorted(f"cases/{folder.name}/{path.name}" for path in folder.iterdir() if path.is_file())


def _phase(report: pytest.TestReport, call: pytest.CallInfo[None]) -> Row:
    reason = ""
    outcome: str = report.outcome
    error = call.excinfo.value if call.excinfo is not None else None
    if report.failed:
        outcome = "failed" if _is_the_devices(error, call.when) else "error"
        reason = _first_line(error)
    elif report.skipped:
        longrepr = report.longrepr
        reason = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
        reason = reason.removeprefix("Skipped: ")
    return {
        "outcome": outcome,
        "bench": report.failed and outcome == "error" and _is_the_benchs(error),
        "reason": reason,
        "text": _MEMORY_ADDRESS.sub("0x...", report.longreprtext) if report.failed else "",
        "seconds": report.duration,
    }


def _is_the_devices(error: BaseException | None, when: str) -> bool:
    """Whether `error` says that the device broke a requirement.

    Only what a case asserts and what a driver says of the device's own answer counts. Anything else, such as an
    instrument that is gone or a mistake in a test, says nothing of the device.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(_is_the_devices(each, when) for each in error.exceptions)
    if isinstance(error, DeviceError):
        return True
    return when == "call" and isinstance(error, AssertionError | pytest.fail.Exception)


def _is_the_benchs(error: BaseException | None) -> bool:
    """Whether `error` is an instrument's or the host's fault, and not a mistake in a test."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_the_benchs(each) for each in error.exceptions)
    return isinstance(error, BenchError)


def _fault(phases: dict[str, Row]) -> str | None:
    """The fault of the bench that ended a case, if it was that."""
    for phase in phases.values():
        if phase["outcome"] != "passed":
            return str(phase["reason"]) if phase["bench"] else None
    return None


def _first_line(error: BaseException | None) -> str:
    if error is None:
        return ""
    text = str(error).strip().splitlines()
    line = text[0] if text else ""
    if isinstance(error, BenchError | DeviceError | AssertionError | pytest.fail.Exception) and line:
        shown = line
    else:
        shown = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return _MEMORY_ADDRESS.sub("0x...", shown)[:500]


def _verdict(phases: dict[str, Row]) -> tuple[str, str]:
    # The first phase that went wrong tells: what follows a failure may well follow from it.
    for phase in phases.values():
        if phase["outcome"] != "passed":
            return str(phase["outcome"]), str(phase["reason"])
    return "passed", ""
