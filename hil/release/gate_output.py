"""A verdict as text, JSON, JUnit, GitHub annotations and a statement shaped like SLSA's VSA."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hil.release.gate import Finding, Verdict
from hil.report.run_folder import RunRecord

PREDICATE = "https://slsa.dev/verification_summary/v1"
STATEMENT = "https://in-toto.io/Statement/v1"
LEVEL = "HIL_GATE_PASSED"
"""What a passed gate stands for: this project's own level. No level of SLSA is claimed."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def text(verdict: Verdict) -> str:
    """For people: the verdict, why not, and what held."""
    word = "PASSED" if verdict.passed else "NOT PASSED"
    lines = [f"{word}: {verdict.run} ({verdict.bench} bench), policy {verdict.policy}"]
    for finding in verdict.reasons:
        lines.append(f"  {finding.rule}: {finding.subject}: {finding.what}")
        if finding.remedy:
            lines.append(f"      {finding.remedy}")
    held = [finding for finding in verdict.findings if finding.holds]
    lines.append(f"{len(verdict.reasons)} of {len(verdict.findings)} checks did not hold")
    lines += [f"  held: {finding.rule}: {finding.subject}: {finding.what}" for finding in held]
    if verdict.bench == "virtual":
        lines.append("Virtual bench: this verdict is no evidence about hardware.")
    return _CONTROL.sub("?", "\n".join(lines)) + "\n"


def as_json(verdict: Verdict) -> str:
    """For programs."""
    body = {
        "policy": verdict.policy,
        "run": verdict.run,
        "bench": verdict.bench,
        "passed": verdict.passed,
        "findings": [vars(finding) for finding in verdict.findings],
    }
    return json.dumps(body, indent=2) + "\n"


def junit(verdict: Verdict) -> str:
    """For CI systems: a test case for each check."""
    root = ElementTree.Element(
        "testsuite",
        name=_clean(f"gate {verdict.policy}"),
        tests=str(len(verdict.findings)),
        failures=str(len(verdict.reasons)),
        errors="0",
        skipped="0",
    )
    for finding in verdict.findings:
        case = ElementTree.SubElement(
            root, "testcase", classname=_clean(finding.rule), name=_clean(finding.subject), time="0"
        )
        if not finding.holds:
            ElementTree.SubElement(case, "failure", message=_clean(finding.what)).text = _clean(
                finding.remedy
            )
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def github(verdict: Verdict) -> str:
    """Workflow commands: an error for each check that did not hold, a notice for the verdict."""
    lines = [_command("error", finding) for finding in verdict.reasons]
    word = "passed" if verdict.passed else "not passed"
    title = _property(f"gate {verdict.policy}")
    lines.append(f"::notice title={title}::{_data(f'{verdict.run}: {word}')}")
    return "\n".join(lines) + "\n"


def vsa(verdict: Verdict, record: RunRecord, policy_file: Path, when: str) -> str:
    """An in-toto statement with a predicate of the shape of SLSA's verification summary (slsa.dev/spec/v1.0,
    verification_summary). Its subjects are the images that the run tested.
    """
    files = {name: _digest(record.path / name) for name in ("run.json", "results.jsonl")}
    images = dict(record.run.get("images") or {}) | {
        f"firmware {name}": digest for name, digest in (record.run.get("firmware") or {}).items()
    }
    body: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(images.items())],
        "predicateType": PREDICATE,
        "predicate": {
            "verifier": {"id": "https://hil.invalid/gate", "version": {"hil": record.run["versions"]["hil"]}},
            "timeVerified": when,
            "resourceUri": f"run:{record.name}",
            "policy": {"uri": f"policy:{verdict.policy}", "digest": {"sha256": _digest(policy_file)}},
            "inputAttestations": [
                {"uri": f"run:{record.name}/{name}", "digest": {"sha256": digest}}
                for name, digest in files.items()
            ],
            "verificationResult": "PASSED" if verdict.passed else "FAILED",
            "verifiedLevels": [f"{LEVEL}_{verdict.bench.upper()}"] if verdict.passed else [],
            "slsaVersion": "1.0",
        },
    }
    return json.dumps(body, indent=2, sort_keys=True) + "\n"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _command(kind: str, finding: Finding) -> str:
    return f"::{kind} title={_property(f'{finding.rule}: {finding.subject}')}::{_data(finding.what)}"


def _data(value: str) -> str:
    """Escaped as GitHub's own toolkit escapes the message of a workflow command."""
    return _CONTROL.sub("?", value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def _clean(value: str) -> str:
    return _CONTROL.sub("?", value)
