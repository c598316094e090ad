"""How a run ended, in one sentence, and what went wrong first, in the words of a tester."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def verdict(record: Row, results: Sequence[Row]) -> tuple[str, str]:
    """(class, sentence) that says how the run ended."""
    counts = Counter(result["outcome"] for result in results)
    if counts["failed"]:
        kind, text = "failed", f"The device broke a requirement in {count(counts['failed'], 'case')}."
        if counts["error"]:
            text += f" The bench failed in {count(counts['error'], 'case')} besides."
    elif counts["error"]:
        kind, text = (
            "error",
            f"The bench failed in {count(counts['error'], 'case')}: nothing is said of the device there.",
        )
    elif counts["passed"]:
        kind, text = "passed", f"All held: {count(counts['passed'], 'case')} passed."
    else:
        kind, text = "error", "No case ran."
    if record.get("state") == "interrupted":
        kind, text = ("failed" if counts["failed"] else "error"), f"Interrupted. {text}"
    if record.get("state") == "running":
        kind, text = ("failed" if counts["failed"] else "error"), f"Not finished: the run was killed. {text}"
    if counts["skipped"]:
        text += f" {count(counts['skipped'], 'case')} skipped."
    return kind, text


def first_line(results: Sequence[Row]) -> str:
    """The first thing that went wrong, for somebody who does not know the tests: what should hold, and what happened.

    The device's failures come before the bench's. Empty when nothing went wrong.
    """
    wrong = [row for row in results if row["outcome"] == "failed"] or [
        row for row in results if row["outcome"] == "error"
    ]
    if not wrong:
        return ""
    first = min(wrong, key=lambda row: (str(row.get("wall", {}).get("started", "")), str(row["id"])))
    return f"{first['id']}: {in_words(first)}"


def in_words(row: Row) -> str:
    """Why a case did not hold. A comparison of two values says nothing to a tester: there the sentence is told."""
    reason = str(row.get("reason") or "").strip()
    place = f" (in stage {broken_stage(row)})" if broken_stage(row) else ""
    if not reason or reason.startswith(("assert ", "AssertionError")):
        return f"this did not hold: {row['sentence']}{place}"
    return f"{reason}{place}"


def broken_stage(row: Row) -> str:
    """The stage in which a case stopped."""
    broken = [str(stage["name"]) for stage in row.get("stages", []) if not stage["held"]]
    return broken[-1] if broken else ""


def count(number: int, word: str) -> str:
    """A number and its noun."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
