"""What a run knows of a case: the marker that `hil.case.case` puts on a test, and what the marker says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

MARKER = "hil_case"


@dataclass(frozen=True)
class Control:
    """A negative control: on firmware built with `defect`, the case must fail. `parameters` names the instance, as in
    XFER-03[0.5], or is empty for a case without parameters.
    """

    defect: str
    parameters: str = ""

    @classmethod
    def parse(cls, text: str) -> Control:
        """Read "signature" or "signature:payload-rehashed"."""
        defect, _, parameters = text.partition(":")
        return cls(defect, parameters)

    def instance(self, case_id: str) -> str:
        """The id of the instance of the case that is run."""
        return f"{case_id}[{self.parameters}]" if self.parameters else case_id


@dataclass(frozen=True)
class CaseInfo:
    """What is known of a case before it runs."""

    id: str
    sentence: str
    evidence_for: tuple[str, ...]
    needs: tuple[str, ...]
    controls: tuple[Control, ...] = ()
    """Defective devices on which the case must fail."""


def info_of(item: pytest.Item) -> CaseInfo | None:
    """The case that `item` runs, or None when it is a plain test."""
    marker = item.get_closest_marker(MARKER)
    return marker.args[0] if marker is not None else None
