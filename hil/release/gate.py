"""The release gate: holds a run to a policy, and says why it passed or not."""

from __future__ import annotations

import datetime
import fnmatch
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hil.catalogue.coverage import covered
from hil.catalogue.requirements import Catalogue
from hil.errors import InputError
from hil.history.trends import Trend
from hil.release.policy import Policy, Require
from hil.report.run_folder import Row, RunRecord

OUTCOMES = ("passed", "failed", "error", "skipped")


@dataclass(frozen=True)
class Finding:
    """One thing that the gate looked at. `what` is what was found, `remedy` what to do where it does not hold."""

    rule: str
    subject: str
    holds: bool
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the gate says."""

    policy: str
    run: str
    bench: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every finding holds."""
        return all(finding.holds for finding in self.findings)

    @property
    def reasons(self) -> list[Finding]:
        """Why it did not pass."""
        return [finding for finding in self.findings if not finding.holds]


def judge(
    record: RunRecord,
    policy: Policy,
    catalogue: Catalogue,
    now: datetime.datetime,
    trends: Sequence[Trend] | None = None,
) -> Verdict:
    """Hold a run to a policy. `trends` are those of the run's figures in the history, None without a history.

    Raises InputError when the record is not one that can be judged.
    """
    _check(record)
    verdict = Verdict(policy.name, record.name, str(record.run["bench"]))
    found = verdict.findings
    found += _state(record, policy, now)
    for require in policy.require:
        found += _required(record, require, policy, catalogue, now.date())
    found += _failures(record, policy, now.date())
    found += _bench_faults(record, policy)
    found += _figures(record, policy)
    found += _regressions(policy, trends)
    found += _sweeps(record, policy)
    found += _controls(record, policy)
    found += _unmodelled(record, policy)
    found += _own_policy(record, policy)
    return verdict


def _check(record: RunRecord) -> None:
    """Raises InputError for rows that are not what a run writes: nothing may pass by being unreadable."""
    for key in ("bench", "state", "settings", "started"):
        if key not in record.run:
            raise InputError(f"{record.path}: run.json has no {key}")
    seen: set[str] = set()
    for row in record.results:
        where = f"{record.path}: result {row.get('id')}"
        if row.get("outcome") not in OUTCOMES:
            raise InputError(f"{where}: outcome {row.get('outcome')!r} is none of {', '.join(OUTCOMES)}")
        if row["id"] in seen:
            raise InputError(f"{where}: is there twice")
        seen.add(row["id"])
        lists = all(isinstance(row.get(key), list) for key in ("evidence_for", "figures", "throughput"))
        if not lists or not isinstance(row.get("case"), str) or not isinstance(row.get("bench"), str):
            raise InputError(f"{where}: is not what a run writes")
        for figure in row["figures"]:
            value = figure.get("value") if isinstance(figure, dict) else None
            if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
                raise InputError(f"{where}: a figure is no number")


def _matches(patterns: Iterable[str], row: Row) -> bool:
    # An instance's own brackets are no pattern: XFER-01[0.5] means just that instance.
    names = (str(row["case"]), str(row["id"]))
    return any(pattern in names or fnmatch.fnmatchcase(names[0], pattern) for pattern in patterns)


def _state(record: RunRecord, policy: Policy, now: datetime.datetime) -> list[Finding]:
    state = str(record.run["state"])
    found = [
        Finding(
            "run",
            record.name,
            state == "finished",
            f"the run is {state}",
            f"finish it: hil run --resume {record.path}",
        )
    ]
    defect = record.run["settings"].get("defect")
    found.append(
        Finding(
            "firmware",
            record.name,
            defect is None,
            "was built whole" if defect is None else f'was built with the defect "{defect}"',
            "run the plan on firmware without a defect",
        )
    )
    if policy.max_age_hours is not None:
        try:
            began = datetime.datetime.fromisoformat(str(record.run["started"]))
            age = (now - began).total_seconds() / 3600
        except (TypeError, ValueError):
            raise InputError(f"{record.path}: run.json: started is no time with a zone") from None
        found.append(
            Finding(
                "age",
                record.name,
                0 <= age <= policy.max_age_hours,
                f"began {age:.1f} h ago, allowed are {policy.max_age_hours:g} h",
                "run the plan again",
            )
        )
    return found


def _required(
    record: RunRecord, require: Require, policy: Policy, catalogue: Catalogue, today: datetime.date
) -> list[Finding]:
    counted = [row for row in record.results if require.bench in ("any", row["bench"])]
    kind = "" if require.bench == "any" else f" on a {require.bench} bench"
    found = []
    for pattern in require.cases:
        rows = [row for row in counted if _matches([pattern], row)]
        found.append(_holds("case", pattern, rows, kind, policy, today))
    known = catalogue.by_id()
    for pattern in require.requirements:
        matching = [each for each in known if fnmatch.fnmatchcase(each, pattern)]
        if not matching:
            raise InputError(f'policy {policy.name}: require: "{pattern}" is no requirement that is known')
        for each in covered(catalogue, counted):
            if each.requirement.id in matching:
                found.append(_holds("requirement", each.requirement.id, each.results, kind, policy, today))
    return found


def _holds(
    rule: str, subject: str, rows: Sequence[Row], kind: str, policy: Policy, today: datetime.date
) -> Finding:
    counts = Counter(str(row["outcome"]) for row in rows)
    told = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name])
    if not rows:
        return Finding(
            rule, subject, False, f"no case was run{kind}", "run a plan that has it, on such a bench"
        )
    stray = [row for row in rows if row["outcome"] == "skipped" and not _may_skip(row, policy, today)]
    if counts["passed"] and not counts["failed"] and not counts["error"] and not stray:
        return Finding(rule, subject, True, f"{told}{kind}")
    first = next(
        (row for row in rows if row["outcome"] in ("failed", "error")), stray[0] if stray else rows[0]
    )
    why = f"{told}{kind}; {first['id']} {first['outcome']}: {first.get('reason', '')}".rstrip(": ")
    return Finding(rule, subject, False, why, "see the report")


def _may_skip(row: Row, policy: Policy, today: datetime.date) -> bool:
    return any(
        _matches(allowed.cases, row) and (allowed.until is None or today <= allowed.until)
        for allowed in policy.allow_skip
    )


def _failures(record: RunRecord, policy: Policy, today: datetime.date) -> list[Finding]:
    found = [
        Finding("device", str(row["id"]), False, str(row.get("reason", "")), str(row.get("command", "")))
        for row in record.results
        if row["outcome"] == "failed"
    ]
    skipped = [row for row in record.results if row["outcome"] == "skipped"]
    for row in skipped:
        if not _may_skip(row, policy, today):
            expired = [each for each in policy.allow_skip if _matches(each.cases, row)]
            until = f", which was allowed until {expired[0].until}" if expired else ""
            found.append(
                Finding(
                    "skip",
                    str(row["id"]),
                    False,
                    f"was skipped: {row.get('reason', '')}{until}",
                    "use a bench that can, or allow the skip with a reason",
                )
            )
    return found or [
        Finding("device", "all cases", True, "no case failed, and none was skipped without leave")
    ]


def _bench_faults(record: RunRecord, policy: Policy) -> list[Finding]:
    faults = [row for row in record.results if row["outcome"] == "error"]
    first = f"; the first: {faults[0]['id']}: {faults[0].get('reason', '')}" if faults else ""
    return [
        Finding(
            "bench",
            record.name,
            len(faults) <= policy.max_bench_faults,
            f"the bench failed in {len(faults)} cases, allowed are {policy.max_bench_faults}{first}",
            "mend the bench and run those cases again: they say nothing of the device",
        )
    ]


def _figures(record: RunRecord, policy: Policy) -> list[Finding]:
    found = []
    for limit in policy.figure:
        rows = [
            (row, figure)
            for row in record.results
            if _matches(limit.cases, row)
            for figure in row["figures"]
            if figure.get("name") == limit.name
        ]
        subject = f"{', '.join(limit.cases)}: {limit.name}"
        if not rows:
            found.append(Finding("figure", subject, False, "no such figure was measured", "run the case"))
        for row, figure in rows:
            value, unit = float(figure["value"]), str(figure.get("unit", ""))
            allowed = " to ".join(
                f"{bound:g}" if bound is not None else "any" for bound in (limit.minimum, limit.maximum)
            )
            inside = (limit.minimum is None or value >= limit.minimum) and (
                limit.maximum is None or value <= limit.maximum
            )
            told = f"{value:g} {unit}, allowed {allowed} {limit.unit or unit}"
            holds = inside and limit.unit in (None, unit)
            found.append(Finding("figure", f"{row['id']}: {limit.name}", holds, told, "see the report"))
    return found


def _regressions(policy: Policy, trends: Sequence[Trend] | None) -> list[Finding]:
    rules = policy.regressions
    if not rules.check:
        return []
    if trends is None:
        return [
            Finding(
                "regression",
                "history",
                not rules.needs_history,
                "no history: figures were not held against earlier runs",
                "hil history add RUN...",
            )
        ]
    found = []
    judged = 0
    for trend in trends:
        row = {"id": trend.instance, "case": trend.instance.partition("[")[0]}
        if _matches(rules.ignore, row):
            continue
        judged += trend.change.verdict != "too short"
        if trend.change.verdict == "worse":
            found.append(
                Finding(
                    "regression",
                    f"{trend.instance}: {trend.name}",
                    False,
                    f"{trend.change.value:g} {trend.unit}, {trend.change.percent:+.1f} % from the median of "
                    f"{trend.change.median:g}",
                    f"hil history --case '{trend.instance}'",
                )
            )
    if not judged:
        found.append(
            Finding(
                "regression",
                "history",
                not rules.needs_history,
                "the history is too short to judge any figure by",
                "run the plan more often",
            )
        )
    return found or [Finding("regression", "figures", True, f"none of {judged} figures got worse")]


def _sweeps(record: RunRecord, policy: Policy) -> list[Finding]:
    points = [point for row in record.results for point in row.get("sweep", [])]
    found = []
    for limit in policy.sweep:
        mine = [point for point in points if point.get("scenario") == limit.scenario]
        lost = [point for point in mine if point.get("held") is not True]
        missing = sorted(set(limit.phases) - {point.get("phase") for point in mine})
        told = f"{len(mine)} points, {len(lost)} lost"
        if lost:
            first = lost[0]
            told += f"; the first at operation {first.get('operation')}, {first.get('phase')}: {first.get('what')}"
        if missing:
            told += f"; none {', none '.join(missing)} an operation"
        if len(mine) < limit.points:
            told += f"; {limit.points} are asked for"
        holds = not lost and not missing and len(mine) >= limit.points
        found.append(Finding("sweep", limit.scenario, holds, told, "run the sweep (PWR-07)"))
    return found


def _controls(record: RunRecord, policy: Policy) -> list[Finding]:
    rows = record.run.get("controls") or []
    found = []
    for pattern in policy.controls:
        mine = [
            row
            for row in rows
            if _matches([pattern], {"id": row["case"], "case": row["case"].partition("[")[0]})
        ]
        held = [row for row in mine if row.get("held") is True and row.get("outcome") == "failed"]
        if not mine:
            found.append(
                Finding("control", pattern, False, "was not run on defective firmware", "hil run --controls")
            )
        elif len(held) < len(mine):
            bad = next(row for row in mine if row not in held)
            what = f"{bad['case']} {bad['outcome']} with the defect {bad['defect']}, where it must fail"
            found.append(Finding("control", pattern, False, what, "mend the case: it cannot fail"))
        else:
            defects = ", ".join(sorted({row["defect"] for row in mine}))
            found.append(Finding("control", pattern, True, f"failed, as it must, with {defects}"))
    return found


def _unmodelled(record: RunRecord, policy: Policy) -> list[Finding]:
    if policy.allow_unmodelled:
        return []
    accesses = record.run.get("unmodelled") or {}
    first = f": {next(iter(accesses))}" if accesses else ""
    what = f"the firmware touched {len(accesses)} places that the bench does not model{first}"
    return [Finding("unmodelled", record.name, not accesses, what, "see unmodelled in run.json")]


def _own_policy(record: RunRecord, policy: Policy) -> list[Finding]:
    if policy.allow_weaker_policy:
        return []
    weaker = [
        row
        for row in record.results
        for figure in row["figures"]
        if figure.get("name") == "taken against the brief's strict rule" and figure["value"] > 0
    ]
    if not weaker:
        return []
    return [
        Finding(
            "version policy",
            str(row["id"]),
            False,
            "the device takes this version; its own policy allows it, the brief's strict rule does not",
            "make the device stricter, or set allow_weaker_policy with the reason in your records",
        )
        for row in weaker
    ]
