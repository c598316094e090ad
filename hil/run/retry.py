"""Begins a case again that an instrument's fault kept from beginning.

Only where nothing has been asserted yet: the fault came in the set-up, and it was the bench's. A failure of the device
is never tried again, nor is what fails once the case itself has begun.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _pytest.runner import runtestprotocol

from hil.run.recorder import Row


class Retry:
    """A pytest plugin of the process that runs the cases.

    `again` is asked after each attempt, with its number, and returns whether the case is to begin anew; it has then put
    aside what the attempt left.
    """

    def __init__(self, again: Callable[[pytest.Item, int], bool]) -> None:
        self._again = again

    @pytest.hookimpl
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """As pytest's own, but that only the reports of the last attempt are told."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        attempt = 1
        properties = list(item.user_properties)
        while True:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            if not self._again(item, attempt):
                break
            item.user_properties[:] = properties
            attempt += 1
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


def may_begin_again(phases: dict[str, Row]) -> bool:
    """Whether only the bench's fault in the set-up, and perhaps in what followed from it, ended an attempt."""
    set_up = phases.get("setup")
    return (
        set_up is not None
        and set_up["bench"]
        and "call" not in phases
        and all(phase["bench"] or phase["outcome"] == "passed" for phase in phases.values())
    )
