"""The in-toto test-result statement of a run: these images, these cases, this outcome.

Source: github.com/in-toto/attestation, spec/predicates/test-result.md (v0.1).
"""

from __future__ import annotations

import json

from google.protobuf import json_format
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from hil.errors import InputError
from hil.report.run_folder import RunRecord

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


def subjects(record: RunRecord) -> dict[str, str]:
    """What was tested, by name: the images and the firmware's programs, each by SHA-256."""
    found = {f"image {name}": str(digest) for name, digest in (record.run.get("images") or {}).items()}
    found |= {f"firmware {name}": str(digest) for name, digest in (record.run.get("firmware") or {}).items()}
    return dict(sorted(found.items()))


def outcome(record: RunRecord) -> str:
    """FAILED if the device broke a requirement, WARNED if anything was not shown, else PASSED."""
    counts = record.counts
    if counts["failed"]:
        return "FAILED"
    if counts["error"] or counts["skipped"] or not counts["passed"] or record.run.get("state") != "finished":
        return "WARNED"
    return "PASSED"


def test_result(record: RunRecord, files: dict[str, str]) -> bytes:
    """The statement's bytes. `files` are the SHA-256 of what it was read from, by name.

    Raises InputError for a run that tested no image.
    """
    tested = subjects(record)
    if not tested:
        raise InputError(f"{record.path}: names no image: there is nothing that a statement could be about")
    described = [ResourceDescriptor(name=name, digest={"sha256": value}).pb for name, value in tested.items()]
    by_outcome: dict[str, list[str]] = {"passed": [], "failed": [], "error": [], "skipped": []}
    for result in record.results:
        by_outcome.setdefault(str(result["outcome"]), []).append(str(result["id"]))
    predicate = {
        "result": outcome(record),
        "configuration": [
            {"name": name, "digest": {"sha256": value}} for name, value in sorted(files.items())
        ],
        "passedTests": by_outcome["passed"],
        # What the bench prevented, and what was skipped, was not shown: it warns.
        "warnedTests": by_outcome["error"] + by_outcome["skipped"],
        "failedTests": by_outcome["failed"],
    }
    statement = Statement(described, TEST_RESULT, predicate)
    statement.validate()
    body = json_format.MessageToDict(statement.pb)
    return (json.dumps(body, indent=2, sort_keys=True) + "\n").encode()
