"""One suite over every driver and every profile: set, ramp, shape, cut, restore, measure, limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.errors import BenchError, InputError
from hil.rig.power_log import LoggedSupply
from hil.supply import Supply
from hil.supply import profile as profiles

from .contract import DRIVERS, MAX_AMPERES, MAX_VOLTS, MODELS, NOMINAL, Subject, soon, subject


@pytest.fixture(params=DRIVERS)
def each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    with subject(request.param, tmp_path, serial=True) as opened:
        yield opened


def test_every_profile_is_under_contract() -> None:
    assert set(profiles.names()) == {*MODELS, "hil-vps"}


def test_it_is_a_supply_with_a_name_and_limits(each: Subject) -> None:
    assert isinstance(each.supply, Supply)
    assert each.supply.identity().isprintable()
    assert each.supply.max_volts == MAX_VOLTS
    assert each.supply.max_amperes == (MAX_AMPERES if each.sets_volts else float("inf"))


def test_on_cut_restore_off(each: Subject) -> None:
    each.supply.set_volts(NOMINAL)
    each.supply.on()
    assert soon(lambda: each.volts() == pytest.approx(NOMINAL, abs=0.01))
    each.supply.cut()
    assert soon(lambda: each.volts() == 0.0)
    each.supply.restore()
    assert soon(lambda: each.volts() == pytest.approx(NOMINAL, abs=0.01))
    each.supply.off()
    assert soon(lambda: each.volts() == 0.0)
    each.supply.on()
    each.supply.safe_off()
    assert soon(lambda: each.volts() == 0.0)


def test_volts_are_set_or_refused(each: Subject) -> None:
    each.supply.on()
    if each.sets_volts:
        each.supply.set_volts(1.8)
        assert soon(lambda: each.volts() == pytest.approx(1.8, abs=0.01))
    else:
        with pytest.raises(BenchError, match=r'cannot set 1\.8 V.*needs=\["supply\.volts"\]'):
            each.supply.set_volts(1.8)


def test_measured_or_refused(each: Subject) -> None:
    each.supply.set_volts(NOMINAL)
    each.supply.on()
    if each.measures_volts:
        assert each.supply.measure_volts() == pytest.approx(NOMINAL, abs=0.01)
    else:
        with pytest.raises(BenchError, match="cannot measure volts"):
            each.supply.measure_volts()
    if each.measures_amperes:
        # What came before the power was on counts for 10 ms in a kit's mean.
        assert soon(lambda: abs(each.supply.measure_amperes() - 0.012) < 2e-4)
    else:
        with pytest.raises(BenchError, match="cannot measure amperes"):
            each.supply.measure_amperes()


def test_a_ramp_ends_where_and_when_it_should(each: Subject) -> None:
    if not each.sets_volts:
        with pytest.raises(BenchError, match=r'needs=\["supply\.ramp"\]'):
            each.supply.ramp(3.0, 2.0, 1.0)
        return
    each.supply.set_volts(3.0)
    each.supply.on()
    begun = each.time.now
    played = each.supply.ramp(3.0, 2.0, 1.5)
    assert played.left_seconds == 0.0, "none of these draws a line by itself"
    assert each.time.now - begun == pytest.approx(1.5, abs=0.6)
    assert 0 < played.step_volts < 0.3
    assert played.step_seconds > 0
    assert soon(lambda: each.volts() == pytest.approx(2.0, abs=0.01))


def test_a_shape_is_played_and_logged(each: Subject, tmp_path: Path) -> None:
    log = LoggedSupply(
        each.supply,
        lambda: each.time.now,
        tmp_path / "power.csv",
        sleep=each.time.sleep,
        max_volts=MAX_VOLTS,
        max_amperes=MAX_AMPERES,
    )
    log.set_volts(NOMINAL)
    log.on()
    points = [(0.0, 1.0), (0.2, 1.0), (0.5, 2.5), (0.0, NOMINAL)]
    if not each.sets_volts:
        with pytest.raises(BenchError):
            log.shape(NOMINAL, points)
        return
    begun = each.time.now
    log.shape(NOMINAL, points)
    assert 0.69 < each.time.now - begun < 3
    assert soon(lambda: each.volts() == pytest.approx(NOMINAL, abs=0.01))
    log.save()
    actions = [line.split(",")[1] for line in (tmp_path / "power.csv").read_text().splitlines()]
    assert "ramp in steps of at most" in actions
    before = each.asked()
    with pytest.raises(InputError, match="above the rig's limit"):
        log.shape(NOMINAL, [(0.0, 1.0), (0.1, MAX_VOLTS + 0.001)])
    assert each.volts() == pytest.approx(NOMINAL, abs=0.01), "nothing of a shape is played that goes too far"
    assert each.asked() == before


@pytest.mark.parametrize("volts", [MAX_VOLTS + 1e-6, 100.0, -0.1, float("nan"), float("inf")])
def test_beyond_the_limits_nothing_is_sent(each: Subject, volts: float) -> None:
    for attempt in (
        lambda: each.supply.set_volts(volts),
        lambda: each.supply.ramp(1.0, volts, 1.0),
        lambda: each.supply.ramp(volts, 1.0, 1.0),
    ):
        with pytest.raises(InputError):
            attempt()
    if each.sets_volts:
        with pytest.raises(InputError):
            each.supply.set_current_limit(MAX_AMPERES * 1.01)
    assert each.asked()[0] <= MAX_VOLTS
    assert each.asked()[1] <= MAX_AMPERES


def test_closed_is_closed(each: Subject) -> None:
    each.supply.close()
    each.supply.close()
    with pytest.raises(BenchError, match="after the supply was closed"):
        each.supply.on()
