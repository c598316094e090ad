"""Pytest hooks of the one process that writes the run folder."""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata

import pytest

from hil import __version__
from hil.errors import BenchError, InputError
from hil.report import changes, junit
from hil.report.page import NAME, page
from hil.report.run_folder import RunRecord, read_results
from hil.rig import calibration
from hil.rig.schema import RigFile
from hil.run import live
from hil.run.cases import CaseInfo
from hil.run.folder import WALL_KEY, RunFolder
from hil.run.interrupt import from_outside
from hil.run.plan import Plan
from hil.run.recorder import Row, case_seed
from hil.run.settings import Settings

CLOCK_JUMP_S = 5.0
"""The wall clock was set during a session when it and the monotonic clock differ by more than this."""

OUTCOMES = ("passed", "failed", "error", "skipped")

_RECORDED_PACKAGES = (
    "bleak",
    "bumble",
    "imgtool",
    "pyocd",
    "pyserial",
    "pytest",
    "pyvisa",
    "pyvisa-py",
    "smp",
    "unicorn",
    "ziglang",
)


def exit_code_for(outcomes: Iterable[str]) -> int:
    """The exit code of a run: 0 all held, 1 the device broke a requirement, 2 every case was skipped, 3 the bench
    failed.

    Where both happened the device's failure is told: it stands, whatever the bench did elsewhere. A plan of which this
    rig can run nothing is a mistake in what was asked, and no success.
    """
    counts = Counter(outcomes)
    if counts["failed"]:
        return 1
    if counts["skipped"] and counts["skipped"] == counts.total():
        return InputError.exit_code
    return 3 if counts["error"] else 0


class RunWriter:
    """Keeps the record of one run."""

    def __init__(self, folder: RunFolder, settings: Settings, rig: RigFile, plan: Plan | None) -> None:
        self.folder = folder
        self.results: list[Row] = []
        self.workers = 1
        self.cases: dict[str, tuple[str, CaseInfo]] = {}
        """The instance id of each case that was collected, and what is known of it, by pytest's id of the test."""
        self._settings = settings
        self._began = time.perf_counter()
        self._began_at = datetime.now(UTC)
        self.interrupted = False
        self.trouble: str | None = None
        """Why the record could not be written, if it could not."""
        self._record: Row = {
            "schema": 1,
            "state": "running",
            "plan": plan.name if plan is not None else None,
            "rig": rig.name,
            "bench": rig.kind,
            "device": rig.device.name,
            "seed": settings.seed,
            "settings": {
                "rig": settings.rig,
                "plan": settings.plan,
                "cases": list(settings.cases),
                "defect": settings.defect,
                "fail_unmodelled": settings.fail_unmodelled,
            },
            "firmware": {},
            "sessions": [],
            "versions": _versions(),
            "host": {
                "system": platform.system(),
                "release": platform.release(),
                "machine": platform.machine(),
                "python": platform.python_version(),
            },
            "started": _now(),
        }
        self._rig = rig

    def begin(
        self,
        plan: Plan | None,
        firmware: dict[str, str],
        former: Row | None = None,
        *,
        controls: bool = False,
        modules: str = "",
    ) -> None:
        """Write the record of a run that begins, or goes on from `former`, what run.json held.

        `firmware` are the SHA-256 of the bundled firmware's programs. `controls` says that negative controls follow.
        `modules` is a digest of the cases' source.
        """
        self._record["settings"]["controls"] = controls
        if former is not None:
            self._record |= {key: former[key] for key in ("started", "sessions") if key in former}
            self.results = read_results(self.folder.path)
        else:
            self.folder.write_text("rig.json", json.dumps(self._rig.record(), indent=2) + "\n")
        session: Row = {"started": _told(self._began_at), "ended": None, "wall_seconds": None}
        self._record["sessions"] = [*self._record["sessions"], session]
        self._record["firmware"] = firmware
        self._record["modules"] = modules
        if plan is not None:
            self._record["plan_file"] = json.loads(plan.model_dump_json(by_alias=True))
        self.folder.write_run(self._record)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the result of a case that has ended."""
        result: Row | None = getattr(report, "hil_result", None)
        if result is None:
            return
        try:
            self.folder.append_result(result)
        except BenchError as error:
            # Without its record the rest of the run would be for nothing.
            self.trouble = self.trouble or str(error)
            pytest.exit(str(error), BenchError.exit_code)
        self.results.append(result)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Give a result to a case whose worker died under it: it must not be missing from the record."""
        if crashitem not in self.cases:
            return
        instance, info = self.cases[crashitem]
        report.when = "teardown"  # the last phase: what waits for the end of a test has it here
        report.user_properties = [("case", instance), ("sentence", info.sentence)]
        report.hil_result = self._lost(instance, info, crashitem)  # type: ignore[attr-defined]  # as CaseHooks does

    def _lost(self, instance: str, info: CaseInfo, nodeid: str) -> Row:
        folder = self.folder.case_folder(instance)
        return {
            "id": instance,
            "case": info.id,
            "sentence": info.sentence,
            "evidence_for": list(info.evidence_for),
            "needs": list(info.needs),
            "controls": [vars(control) for control in info.controls],
            "outcome": "error",
            "reason": "the process that ran this case died",
            "rig": self._record["rig"],
            "bench": self._record["bench"],
            "calibration": calibration.told(self._rig, self._began_at.date()),
            "seed": case_seed(self._settings.seed, instance),
            "seconds": 0.0,
            "stages": [],
            "figures": [],
            "throughput": [],
            "sweep": [],
            "images": {},
            "notes": {},
            "artefacts": sorted(
                f"cases/{folder.name}/{path.name}" for path in folder.iterdir() if path.is_file()
            ),
            "command": self._settings.command(instance),
            "nodeid": nodeid,
            WALL_KEY: {"started": _now(), "seconds": 0.0, "worker": "", "steps": {}},
        }

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Mark the run as cut short, if it was from outside."""
        self.interrupted = self.interrupted or (self.trouble is None and from_outside(excinfo))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Write the summary."""
        self.finish()

    @property
    def record(self) -> Row:
        """What run.json holds."""
        return self._record

    def controls(self, rows: list[Row]) -> None:
        """Keep how the negative controls ended."""
        self._record["controls"] = rows
        self.finish()

    def finish(self) -> None:
        """Write what is known of the run, whole or cut short. What cannot be written is told by `trouble`."""
        if not self._record["sessions"]:
            return  # it could not even begin
        try:
            self._finish()
        except BenchError as error:
            self.trouble = self.trouble or str(error)

    def _finish(self) -> None:
        counts = Counter(result["outcome"] for result in self.results)
        bench_seconds = sum(result["seconds"] for result in self.results)
        now = datetime.now(UTC)
        wall_seconds = time.perf_counter() - self._began
        jump = (now - self._began_at).total_seconds() - wall_seconds
        session = self._record["sessions"][-1]
        session |= {"ended": _told(now), "wall_seconds": round(wall_seconds, 3)}
        if abs(jump) > CLOCK_JUMP_S:
            session["clock_jump_seconds"] = round(jump, 1)
        images: Row = {}
        unmodelled: Counter[str] = Counter()
        for result in self.results:
            images.update(result["images"])
            unmodelled.update(result["notes"].get("unmodelled", {}))
        self._record |= {
            "state": "interrupted" if self.interrupted or self.trouble else "finished",
            "ended": _told(now),
            "workers": self.workers,
            "counts": {outcome: counts[outcome] for outcome in OUTCOMES},
            "exit_code": 130 if self.interrupted else exit_code_for(counts.elements()),
            "bench_seconds": round(bench_seconds, 6),
            "wall_seconds": round(sum(each["wall_seconds"] or 0.0 for each in self._record["sessions"]), 3),
            "images": images,
            "unmodelled": dict(sorted(unmodelled.items())),
        }
        self.folder.write_run(self._record)
        self.folder.write_throughput(row for result in self.results for row in result["throughput"])
        self.folder.write_text("junit.xml", junit.suite(self._record, self.results))
        record = RunRecord.load(self.folder.path)
        self.folder.write_text(NAME, page(record, changes.before(record)))
        live.clear(self.folder.path)


WRITER: pytest.StashKey[RunWriter] = pytest.StashKey()
"""Where pytest's configuration keeps the writer of its run."""


def _versions() -> Row:
    found = {"hil": __version__}
    for package in _RECORDED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _now() -> str:
    return _told(datetime.now(UTC))
