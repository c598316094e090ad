"""The explorer on a device that is small enough to try everything by force, and compare."""

from __future__ import annotations

from collections import deque

import pytest

from hil.sweep.content import Base, Content
from hil.sweep.explore import Ended, Explorer
from hil.sweep.tears import after, torn
from hil.sweep.trace import Recorder
from tests.sweep.toy import Toy, flash

DEPTHS = (0.5,)


def explored(
    machine: Toy, *, check: float = 0.0, most_cuts: int | None = None
) -> tuple[Explorer, list[Ended]]:
    ended: list[Ended] = []
    explorer = Explorer(
        machine, Base(flash()), ended.append, depths=DEPTHS, check=check, seed=1, most_cuts=most_cuts
    )
    explorer.first()
    assert explorer.close()
    return explorer, ended


def by_force(machine: Toy) -> set[tuple[int, str]]:
    """Every state that can be reached and how each of its starts ends, all of them really made: no reasoning."""
    first = Content(Base(flash()))
    known = {first.key}
    outcomes: set[tuple[int, str]] = set()
    work = deque([first])
    while work:
        content = work.popleft()
        for pages in content.readings():
            trace = Recorder(machine).record(pages, content)
            at = content
            met = []
            for operation in trace.operations:
                met += [cut for _, cut in torn(machine, at, operation, DEPTHS, 1)]
                at = after(at, operation)
                met.append(at)
            outcomes.add((content.key, f"{trace.settled.kind} {trace.settled.pc}"))
            for each in [*met, at]:
                if each.key not in known:
                    known.add(each.key)
                    work.append(each)
    return outcomes


@pytest.mark.parametrize("bug", [{"careful": True}, {}, {"forgetful": True}, {"hasty": True}])
def test_it_finds_what_trying_everything_finds(bug: dict[str, bool]) -> None:
    outcomes = by_force(Toy(**bug))
    explorer, _ = explored(Toy(**bug))
    found = {
        f"{explorer.traces[trace].settled.kind} {explorer.traces[trace].settled.pc}"
        for node in explorer.nodes
        for trace in node.starts
    }
    assert found == {outcome for _, outcome in outcomes}
    # What it did not visit it could not tell from what it did; all it met is among what there is.
    keys = {key for key, _ in outcomes}
    assert {node.key for node in explorer.nodes} <= keys
    assert (len(explorer.nodes) < len(keys)) == (explorer.counts.not_visited > 0)


def test_a_sound_device_always_starts_and_a_broken_one_does_not() -> None:
    _, sound = explored(Toy(careful=True))
    assert {each.trace.settled.kind for each in sound} == {"starts"}
    for bug in ({}, {"forgetful": True}, {"hasty": True}):
        _, broken = explored(Toy(**bug))
        assert "sleeps" in {each.trace.settled.kind for each in broken}


def test_what_was_reasoned_is_held_against_the_device() -> None:
    explorer, _ = explored(Toy(), check=1.0)
    assert explorer.counts.checked == explorer.counts.same_cause > 0


class Liar(Toy):
    """Looks at a page that it has not told of."""

    def boot(self, pages, on_operation, on_first_read):  # type: ignore[no-untyped-def]
        def told(page: int) -> None:
            if page != 1:
                on_first_read(page)

        return super().boot(pages, on_operation, told)


def test_a_wrong_reason_is_found_out_by_the_check() -> None:
    from hil.errors import BenchError

    with pytest.raises(BenchError, match="reasoning does not hold"):
        explored(Liar(forgetful=True), check=1.0)


def test_a_bound_of_cuts_is_told() -> None:
    one, _ = explored(Toy(), most_cuts=1)
    assert one.bounded
    assert max(node.cuts for node in one.nodes) == 1
    every, _ = explored(Toy())
    assert not every.bounded
    assert len(one.nodes) < len(every.nodes)


def test_the_way_to_a_state_can_be_repeated() -> None:
    explorer, _ = explored(Toy(hasty=True))
    for state, node in enumerate(explorer.nodes):
        assert explorer.content_of(state).key == node.key
        for follower in node.next[:5]:
            place = explorer.edge(state, follower)
            trace = explorer.traces[node.starts[place.reading]]
            assert explorer.cut(explorer.content_of(state), trace, place).key == explorer.nodes[follower].key


def test_a_sample_is_part_of_the_whole_and_the_last_round_closes() -> None:
    whole, _ = explored(Toy())
    explorer = Explorer(Toy(), Base(flash()), lambda ended: None, depths=DEPTHS, seed=1)
    explorer.first()
    explorer.sample(0.3, 0.1)
    assert explorer.close()
    assert {node.key for node in explorer.nodes} <= {node.key for node in whole.nodes}
    explorer.sample(1.0, 1.0)
    assert explorer.close()
    assert {node.key for node in explorer.nodes} == {node.key for node in whole.nodes}
