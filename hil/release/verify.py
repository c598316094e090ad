"""Verifies an evidence bundle with the public key alone: names each file that differs, and each break in the chain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from securesystemslib.signer._key import SSlibKey

from hil.errors import InputError
from hil.release import dsse, manifest, statements, timestamp
from hil.release.bundle import head
from hil.report.run_folder import RunRecord

Level = Literal["broken", "warning", "holds"]
MAX_MANIFEST_FILES = 200_000

NO_ANCHOR = (
    "no external anchor: whoever holds the key can rewrite the whole chain; attach a time-stamp token, or publish the "
    "head digest and give it by --head"
)


@dataclass(frozen=True)
class Note:
    """One thing that was looked at."""

    level: Level
    subject: str
    text: str


@dataclass
class Report:
    """What verification found, in the order in which it was looked at."""

    bundle: Path
    notes: list[Note] = field(default_factory=list)

    @property
    def verified(self) -> bool:
        """Whether nothing is broken."""
        return not any(note.level == "broken" for note in self.notes)

    def add(self, level: Level, subject: str, text: str) -> None:
        """Note it."""
        self.notes.append(Note(level, subject, text))


def verify(
    bundle: Path,
    key: SSlibKey | None,
    *,
    earlier: Sequence[Path] = (),
    published: str | None = None,
    authority: Path | None = None,
) -> Report:
    """Verify a bundle, and with `earlier` the chain of bundles before it, newest first or in any order.

    `published` is a head digest known from elsewhere, `authority` the certificate of a time-stamp authority. Raises
    InputError when `bundle` is no bundle.
    """
    report = Report(bundle)
    body = _manifest(bundle, key, report)
    _files(bundle, body, report)
    _statements(bundle, key, report)
    _agreement(bundle, body, report)
    _chain(bundle, body, key, earlier, report)
    _anchor(bundle, published, authority, report)
    return report


def _manifest(bundle: Path, key: SSlibKey | None, report: Report) -> dict[str, Any]:
    head(bundle)
    data = (bundle / manifest.ENVELOPE).read_bytes()
    payload, trouble = dsse.unseal(data, dsse.MANIFEST_TYPE, manifest.ENVELOPE, key)
    if trouble is not None:
        report.add("broken", manifest.ENVELOPE, trouble)
    else:
        report.add("holds", manifest.ENVELOPE, "is signed by the key given")
    beside = bundle / manifest.MANIFEST
    if not beside.is_file():
        report.add("broken", manifest.MANIFEST, "was removed")
    elif beside.is_symlink() or beside.read_bytes() != payload:
        report.add("broken", manifest.MANIFEST, "was changed: it is not what was signed")
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        raise InputError(f"{manifest.ENVELOPE}: its payload is no manifest") from None
    if (
        not isinstance(body, dict)
        or body.get("schema") != manifest.SCHEMA
        or not isinstance(body.get("files"), dict)
    ):
        raise InputError(f"{manifest.ENVELOPE}: its payload is no manifest that this version knows")
    if len(body["files"]) > MAX_MANIFEST_FILES:
        raise InputError(f"{manifest.ENVELOPE}: names {len(body['files'])} files, too many")
    return body


def _files(bundle: Path, body: dict[str, Any], report: Report) -> None:
    try:
        found = manifest.listed(bundle)
    except InputError as error:
        report.add("broken", "files", str(error))
        return
    wanted: dict[str, Any] = body["files"]
    for name in sorted({*found, *wanted}):
        if name not in found:
            report.add("broken", name, "was removed")
        elif name not in wanted:
            report.add("broken", name, "was added")
        elif found[name] != wanted[name]:
            report.add("broken", name, "was changed")
    if report.verified:
        report.add("holds", "files", f"{len(found)} files are as they were signed")


def _statements(bundle: Path, key: SSlibKey | None, report: Report) -> None:
    for name in ("statement.dsse.json", "gate.dsse.json"):
        path = bundle / name
        if not path.is_file() or path.is_symlink():
            continue
        try:
            _, trouble = dsse.unseal(path.read_bytes(), dsse.STATEMENT_TYPE, name, key)
        except InputError as error:
            report.add("broken", name, str(error))
            continue
        if trouble is not None:
            report.add("broken", name, trouble)


def _agreement(bundle: Path, body: dict[str, Any], report: Report) -> None:
    """Whether statement, record and manifest tell the same story: each could be wrong though all are signed."""
    try:
        record = RunRecord.load(bundle / "run")
        data = (bundle / "statement.dsse.json").read_bytes()
        payload, _ = dsse.unseal(data, dsse.STATEMENT_TYPE, "statement.dsse.json", None)
        statement = json.loads(payload)
        told = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
        result = statement["predicate"]["result"]
        passed = sorted(statement["predicate"].get("passedTests", []))
    except (InputError, OSError, ValueError, KeyError, TypeError) as error:
        report.add("broken", "statement.dsse.json", f"cannot be held against the record: {error}")
        return
    if told != statements.subjects(record):
        report.add("broken", "statement.dsse.json", "its subjects are not the images of the run")
    seen = sorted(str(row["id"]) for row in record.results if row.get("outcome") == "passed")
    if result != statements.outcome(record) or passed != seen or body.get("result") != result:
        report.add("broken", "statement.dsse.json", "its result is not that of results.jsonl")
    if (bundle / "gate.dsse.json").is_file():
        _gate_agreement(bundle, report)


def _gate_agreement(bundle: Path, report: Report) -> None:
    try:
        data = (bundle / "gate.dsse.json").read_bytes()
        payload, _ = dsse.unseal(data, dsse.STATEMENT_TYPE, "gate.dsse.json", None)
        predicate = json.loads(payload)["predicate"]
        inputs = {
            each["uri"].rpartition("/")[2]: each["digest"]["sha256"]
            for each in predicate["inputAttestations"]
        }
    except (InputError, OSError, ValueError, KeyError, TypeError) as error:
        report.add("broken", "gate.dsse.json", f"cannot be held against the record: {error}")
        return
    for name, digest in inputs.items():
        path = bundle / "run" / name
        if not path.is_file() or manifest.digest(path) != digest:
            report.add("broken", "gate.dsse.json", f"judged another {name} than the one in the bundle")
    if not report.verified:
        return
    report.add(
        "holds", "gate.dsse.json", f"the gate's verdict on this record: {predicate.get('verificationResult')}"
    )


def _chain(
    bundle: Path, body: dict[str, Any], key: SSlibKey | None, earlier: Sequence[Path], report: Report
) -> None:
    by_digest = {head(each): each for each in earlier}
    link, seen = body.get("previous"), {head(bundle)}
    length = 0
    where = bundle.name
    while link is not None:
        wanted = link.get("sha256") if isinstance(link, dict) else None
        run = link.get("run") if isinstance(link, dict) else None
        if not earlier:
            report.add(
                "warning", "chain", f"{where} follows {run}, which was not given: the chain was not looked at"
            )
            return
        if wanted in seen:
            report.add("broken", "chain", f"{where} names a bundle that follows it")
            return
        found = by_digest.pop(str(wanted), None)
        if found is None:
            named = next((each for each in by_digest.values() if _run_of(each) == run), None)
            if named is not None:
                text = f"{where} follows another {run} than the one given: {named} was changed or replaced"
            else:
                text = f"{where} follows {run}, which is missing from the bundles given"
            report.add("broken", "chain", text)
            break
        seen.add(str(wanted))
        length += 1
        inner = Report(found)
        try:
            before = _manifest(found, key, inner)
            _files(found, before, inner)
        except InputError as error:
            report.add("broken", str(found), str(error))
            break
        for note in inner.notes:
            if note.level == "broken":
                report.add("broken", f"{found.name}/{note.subject}", note.text)
        where, link = found.name, before.get("previous")
    else:
        report.add(
            "holds",
            "chain",
            f"{length} bundles before this one, to the first" if length else "is the first one",
        )
    for left in by_digest.values():
        report.add("broken", "chain", f"{left} is no part of this chain")


def _run_of(bundle: Path) -> object:
    try:
        body = json.loads((bundle / manifest.MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return body.get("run") if isinstance(body, dict) else None


def _anchor(bundle: Path, published: str | None, authority: Path | None, report: Report) -> None:
    anchored = False
    if published is not None:
        if published.lower() == head(bundle):
            report.add("holds", "head", "is the digest that was published")
            anchored = True
        else:
            report.add("broken", "head", f"is {head(bundle)}, and not the digest that was published")
    token = bundle / manifest.ANCHOR / timestamp.TOKEN
    if token.is_file() and not token.is_symlink():
        if authority is None:
            report.add(
                "warning", "time-stamp", "give the authority's certificate by --tsa-certificate to verify it"
            )
        else:
            envelope = (bundle / manifest.ENVELOPE).read_bytes()
            when, trouble = timestamp.verify(token.read_bytes(), envelope, authority)
            if trouble is not None:
                report.add("broken", "time-stamp", trouble)
            else:
                report.add("holds", "time-stamp", f"the authority saw this envelope at {when}")
                anchored = True
    elif authority is not None:
        report.add("broken", "time-stamp", "there is none, though its authority's certificate was given")
    strays = [path for path in (bundle / manifest.ANCHOR).glob("*") if path.name != timestamp.TOKEN]
    for path in strays:
        report.add("broken", f"{manifest.ANCHOR}/{path.name}", "was added")
    if not anchored:
        report.add("warning", "anchor", NO_ANCHOR)
