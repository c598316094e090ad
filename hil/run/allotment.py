"""Shares cases over several rigs: each worker of pytest-xdist has one rig, and gets only what that rig can run.

pytest-xdist's own schedulers take every worker for as good as any other. Here a case that needs what a rig has not is
left to one that has it, and a rig whose circuit breaker opened gets no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from xdist.scheduler.load import LoadScheduling

from hil.rig.schema import RigFile
from hil.run.settings import WORKER_RIG

_AHEAD = 2
"""Cases that a worker holds: the one that runs, and the next, which pytest has to know to end the present one."""


class Allotment:
    """A pytest plugin of the process that leads the workers.

    `rigs` are the rig files by the names they were given by; `able` says by pytest's id of each test which of them may
    run it.
    """

    def __init__(self, rigs: Mapping[str, RigFile], able: Mapping[str, set[str]]) -> None:
        self._rigs = rigs
        self._able = able
        self._workers: Counter[str] = Counter()
        self._dead: set[str] = set()
        self.collected: list[str] = []
        """pytest's ids of the tests of this session."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Keep what there is to run."""
        self.collected = list(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker the rig that has the fewest; one that exists is never given twice."""
        free = [
            name for name, file in self._rigs.items() if file.bench == "virtual" or not self._workers[name]
        ]
        chosen = min(free or self._rigs, key=lambda name: self._workers[name])
        self._workers[chosen] += 1
        node.workerinput[WORKER_RIG] = chosen

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker has ended: another may have its rig."""
        self._workers[node.workerinput[WORKER_RIG]] -= 1

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear of a rig that has given up."""
        held: dict[str, Any] | None = getattr(report, "hil_held", None)
        node = getattr(report, "node", None)
        if held is not None and held.get("not_run") and node is not None:
            self._dead.add(node.workerinput[WORKER_RIG])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScheduling:
        """Distribute by what each rig can."""
        return ByRig(config, log, self._can)

    def _can(self, node: Any, nodeid: str) -> bool:
        rig = node.workerinput[WORKER_RIG]
        return rig not in self._dead and rig in self._able.get(nodeid, set())


class ByRig(LoadScheduling):  # type: ignore[misc]  # pytest-xdist is not typed
    """Hands each worker one case after the other, of those that it can run."""

    def __init__(self, config: pytest.Config, log: Any, can: Callable[[Any, str], bool]) -> None:
        super().__init__(config, log)
        self.collection: list[str] | None
        self._can = can

    def schedule(self) -> None:
        """Begin, or go on with a worker that was added."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            collection: list[str] = next(iter(self.node2collection.values()))
            self.collection = collection
            self.pending[:] = range(len(collection))
            for _ in range(_AHEAD):  # by turns, so that few cases are shared as well
                for node in self.nodes:
                    self._send_tests(node, 1)
        for node in self.nodes:
            self.check_schedule(node)

    def check_schedule(self, node: Any, duration: float = 0) -> None:
        """Give a worker more to do, or let it end when there is nothing left for it."""
        if node.shutting_down:
            return
        self._send_tests(node, _AHEAD - len(self.node2pending[node]))
        if not self._for(node):
            node.shutdown()

    def _send_tests(self, node: Any, num: int) -> None:
        chosen = self._for(node)[: max(0, num)]
        if chosen:
            self.pending[:] = [index for index in self.pending if index not in chosen]
            self.node2pending[node].extend(chosen)
            node.send_runtest_some(chosen)

    def _for(self, node: Any) -> list[int]:
        """What waits and this worker can run."""
        assert self.collection is not None
        collection = self.collection
        return [index for index in self.pending if self._can(node, collection[index])]

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left that any worker could run."""
        if not self.collection_is_completed or self.collection is None:
            return False
        if any(self._for(node) for node in self.nodes if not node.shutting_down):
            return False
        return all(len(pending) < _AHEAD for pending in self.node2pending.values())
