"""Pytest hooks of the one process that writes the run folder."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata

import pytest

from hil import __version__
from hil.errors import BenchError, DeviceError, InputError
from hil.report import changes, junit
from hil.report.page import NAME, page
from hil.report.run_folder import RunRecord, read_results
from hil.rig import calibration, checked
from hil.rig.schema import RigFile
from hil.run import live
from hil.run.cases import CaseInfo
from hil.run.folder import WALL_KEY, RunFolder
from hil.run.interrupt import from_outside
from hil.run.plan import Plan
from hil.run.recorder import Row, case_seed
from hil.run.settings import WORKER_RIG, Settings

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
        self.held: list[Row] = []
        """Results that are not final yet: of cases that were not run, or that may go to another rig."""
        self.tried: dict[str, list[Row]] = {}
        """The results of a case that ended by the fault of another rig before."""
        self._rigs: dict[str, RigFile] = {settings.rig: rig}
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
        self._record["bench_check"] = {rig.name: checked.latest(rig)}

    def share(self, rigs: Mapping[str, RigFile]) -> None:
        """Say which rigs the run has, by the names they were given by."""
        self._rigs = dict(rigs)
        if len(rigs) == 1:
            return
        files = list(rigs.values())
        self._rig = files[0]
        self._record["bench_check"] = {file.name: checked.latest(file) for file in files}
        self._record |= {
            "rig": " + ".join(sorted(file.name for file in files)),
            # A run is worth no more than the weakest of its benches; each result names its own.
            "bench": "real" if all(file.kind == "real" for file in files) else "virtual",
            "rigs": [
                {"name": file.name, "given": given, "bench": file.kind, "description": file.description}
                for given, file in rigs.items()
            ],
        }
        self._record["settings"] |= {"rig": next(iter(rigs)), "rigs": list(rigs)}

    def begin(
        self,
        plan: Plan | None,
        firmware: dict[str, str],
        former: Row | None = None,
        *,
        controls: bool = False,
        modules: str = "",
        lab: Row | None = None,
    ) -> None:
        """Write the record of a run that begins, or goes on from `former`, what run.json held.

        `firmware` are the SHA-256 of the bundled firmware's programs. `controls` says that negative controls follow.
        `modules` is a digest of the cases' source. `lab` says which place of which laboratory the bench is.
        """
        self._record["settings"]["controls"] = controls
        if former is not None:
            self._record |= {key: former[key] for key in ("started", "sessions") if key in former}
            self.results = read_results(self.folder.path)
        else:
            self.folder.write_text("rig.json", json.dumps(self._rig.record(), indent=2) + "\n")
            if len(self._rigs) > 1:
                every = {file.name: file.record() for file in self._rigs.values()}
                self.folder.write_text("rigs.json", json.dumps(every, indent=2) + "\n")
        session: Row = {"started": _told(self._began_at), "ended": None, "wall_seconds": None}
        self._record["sessions"] = [*self._record["sessions"], session]
        self._record["firmware"] = firmware
        self._record["modules"] = modules
        if lab is not None:
            self._record["lab"] = lab
        if plan is not None:
            self._record["plan_file"] = json.loads(plan.model_dump_json(by_alias=True))
        self.folder.write_run(self._record)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the result of a case that has ended."""
        result: Row | None = getattr(report, "hil_result", None)
        if result is None:
            return
        if result.get("not_run") or (result.get("bench_fault") and len(self._rigs) > 1):
            self.held.append(result)
            del report.hil_result
            report.hil_held = result  # type: ignore[attr-defined]  # for those who hear of the report next
            return
        self._add(result)

    def _add(self, result: Row) -> None:
        before = [row for row in self.tried.get(str(result["id"]), ()) if row is not result]
        if before:
            result["notes"]["elsewhere"] = [{"rig": row["rig"], "reason": row["reason"]} for row in before]
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
        node = getattr(report, "node", None)
        given = node.workerinput.get(WORKER_RIG) if node is not None else None
        report.hil_result = self._lost(instance, info, crashitem, given)  # type: ignore[attr-defined]  # as CaseHooks does

    def _lost(self, instance: str, info: CaseInfo, nodeid: str, given: str | None) -> Row:
        rig = self._rigs.get(given or "", self._rig)
        settings = self._settings if given is None else dataclasses.replace(self._settings, rig=given)
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
            "bench_fault": True,
            "rig": rig.name,
            "bench": rig.kind,
            "calibration": calibration.told(rig, self._began_at.date()),
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
            "command": settings.command(instance),
            "nodeid": nodeid,
            WALL_KEY: {"started": _now(), "seconds": 0.0, "worker": "", "steps": {}},
        }

    def settle(self, to_come: Mapping[str, set[str]]) -> None:
        """Make final what is held, but for the cases of `to_come`, which go to other rigs, and for those that were not
        run: these the record names.
        """
        final = {str(row["id"]): row for row in self.held if not row.get("not_run")}
        # A case that no rig is left for ends as it did on the last one that it had.
        for row in self.held:
            name = str(row["id"])
            if row.get("not_run") and self.tried.get(name):
                final[name] = last = self.tried[name][-1]
                # Its files were put aside for the attempt that was not to be.
                last["artefacts"] = [
                    path for path in last["artefacts"] if (self.folder.path / path).is_file()
                ]
        if not self.interrupted:
            try:
                for name in sorted(final.keys() - to_come.keys()):
                    self._add(final[name])
            except pytest.exit.Exception:
                return
        self.held = [
            row
            for row in self.held
            if str(row["id"]) in to_come or str(row["id"]) not in final or self.interrupted
        ]
        self.finish()

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

    @property
    def exit_code(self) -> int:
        """The exit code of what has ended so far: a case that the bench kept from being run is the bench's failure."""
        code = exit_code_for(result["outcome"] for result in self.results)
        return BenchError.exit_code if self.held and code != DeviceError.exit_code else code

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
            "state": "interrupted" if self.interrupted or self.trouble or self.held else "finished",
            "not_run": [
                {"id": row["id"], "rig": row["rig"], "reason": row["reason"]}
                for row in sorted(self.held, key=lambda each: str(each["id"]))
            ],
            "ended": _told(now),
            "workers": self.workers,
            "counts": {outcome: counts[outcome] for outcome in OUTCOMES},
            "exit_code": 130 if self.interrupted else self.exit_code,
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
