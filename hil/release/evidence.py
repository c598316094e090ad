"""Evidence by requirement: cases with outcome and bench kind, and the control that shows that each can fail."""

from __future__ import annotations

from typing import Any

from hil.catalogue.coverage import Covered, covered, unknown
from hil.catalogue.requirements import Catalogue
from hil.report.run_folder import RunRecord

Row = dict[str, Any]
KINDS = ("virtual", "real", "replayed")


def by_requirement(record: RunRecord, catalogue: Catalogue) -> Row:
    """What requirements.json holds: each requirement with its cases, its state by bench kind, and its controls."""
    controls = record.run.get("controls") or []
    return {
        "statement": "evidence towards, not a statement that a requirement is met",
        "sources": {name: source.model_dump(exclude_none=True) for name, source in catalogue.sources.items()},
        "requirements": [_one(each, controls) for each in covered(catalogue, record.results)],
        "unknown": list(unknown(catalogue, record.results)),
    }


def _one(each: Covered, controls: list[Row]) -> Row:
    cases = set(each.cases)
    mine = [row for row in controls if str(row["case"]).partition("[")[0] in cases]
    void = sorted({str(row["case"]) for row in mine if not row.get("held")})
    return {
        "id": each.requirement.id,
        "clause": each.requirement.clause,
        "wording": each.requirement.wording,
        # A kind of bench of its own for each: what one shows is not shown by another.
        "state": {kind: each.on(kind).state for kind in KINDS},
        "cases": [
            {
                "id": row["id"],
                "outcome": row["outcome"],
                "bench": row["bench"],
                "calibration": row.get("calibration"),
                "reason": row["reason"],
            }
            for row in each.results
        ],
        "controls": mine,
        "control": "void: " + ", ".join(void) if void else "shown" if mine else "no control",
    }
