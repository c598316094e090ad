"""junit.xml, for CI systems: made from the results, so that a run that was resumed has all its cases in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

Row = dict[str, Any]

# Characters that XML 1.0 (section 2.2) does not allow at all, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def suite(record: Row, results: Sequence[Row]) -> str:
    """The text of junit.xml: one test case for each result, in the order of their ids; seconds are wall time."""
    counts = Counter(str(result["outcome"]) for result in results)
    root = ElementTree.Element("testsuites")
    inner = ElementTree.SubElement(
        root,
        "testsuite",
        name=_clean(record.get("plan") or "cases"),
        tests=str(len(results)),
        failures=str(counts["failed"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        time=f"{sum(result['wall']['seconds'] for result in results):.3f}",
        timestamp=_clean(record.get("started", "")),
    )
    for result in sorted(results, key=lambda each: str(each["id"])):
        inner.append(_case(result))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(result: Row) -> ElementTree.Element:
    module = str(result["nodeid"]).partition("::")[0].removesuffix(".py").replace("/", ".")
    case = ElementTree.Element(
        "testcase",
        classname=_clean(module),
        name=_clean(result["id"]),
        time=f"{result['wall']['seconds']:.3f}",
    )
    told = [("sentence", result["sentence"]), ("rig", result["rig"]), ("bench", result["bench"])]
    told += [("seed", result["seed"]), ("command", result["command"])]
    told += [("evidence_for", each) for each in result["evidence_for"]]
    told += [(f"image.{name}", digest) for name, digest in sorted(result["images"].items())]
    properties = ElementTree.SubElement(case, "properties")
    for name, value in told:
        ElementTree.SubElement(properties, "property", name=_clean(name), value=_clean(value))
    tag = {"failed": "failure", "error": "error", "skipped": "skipped"}.get(str(result["outcome"]))
    if tag is not None:
        ElementTree.SubElement(case, tag, message=_clean(result["reason"]))
    return case


def _clean(text: object) -> str:
    return _FORBIDDEN.sub("?", str(text))
