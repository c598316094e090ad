"""The closed forms behind the matrix: by hand, and no cell above the rate of its bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.airtime import Phy, answered_ceiling, events_of, exchange_us, goodput_ceiling
from hil.ble.cell import Cell, in_series
from hil.throughput.explain import best_mtu, rate, words

BITS = {Phy.LE_1M: 125_000, Phy.LE_2M: 250_000, Phy.LE_CODED_S2: 62_500, Phy.LE_CODED_S8: 15_625}

settings = st.fixed_dictionaries(
    {
        "phy": st.sampled_from(list(Phy)),
        "mtu": st.integers(23, 517),
        "pdu": st.integers(27, 251),
        "encrypted": st.booleans(),
    }
)


@given(settings)
def test_no_cell_beats_the_rate_of_its_bits(settings: dict[str, object]) -> None:
    phy, mtu, pdu, encrypted = settings["phy"], settings["mtu"], settings["pdu"], settings["encrypted"]
    assert isinstance(phy, Phy) and isinstance(mtu, int) and isinstance(pdu, int)
    ceiling = goodput_ceiling(phy, mtu, pdu, 400_000, encrypted=bool(encrypted)).bytes_per_second
    answered = answered_ceiling(phy, mtu, pdu, encrypted=bool(encrypted))
    assert answered < BITS[phy] * (mtu - 3) / (mtu + 4)
    assert ceiling < BITS[phy] * (mtu - 3) / (mtu + 4)
    assert answered < 1.001 * (mtu - 3) * 1e6 / exchange_us(phy, min(pdu, mtu + 4))


def test_a_write_request_by_hand() -> None:
    # 247 on 2M: 251 octets (44 + 1004), T_IFS, the response's 5 octets in the acknowledgement (44 + 20), T_IFS.
    assert answered_ceiling(Phy.LE_2M, 247, 251) == pytest.approx(244e6 / (1048 + 150 + 64 + 150))


def test_round_trips_take_the_event_of_the_write_and_that_of_its_answer() -> None:
    cell = Cell("1M", 247, 251, 15.0)
    assert cell.round_trips(244, 244).bytes_per_second == pytest.approx(244 / 0.030)
    # 2475 bytes in writes of 244: eleven exchanges of some 2.5 ms, so two events, and one for the answer.
    assert events_of(Phy.LE_1M, [251] * 10 + [42], 251, 15_000) == 2
    assert cell.round_trips(2400, 2475).bytes_per_second == pytest.approx(2400 / 0.045)


def test_stages_that_take_turns_add_their_times() -> None:
    assert in_series("both", 100.0, 100.0).bytes_per_second == pytest.approx(50.0)


def test_the_longest_value_is_512_octets() -> None:
    assert Cell("2M", 517, 251, 15.0).value_octets == 512
    assert Cell("2M", 517, 251, 15.0).air(51_200) == Cell("2M", 515, 251, 15.0).air(51_200)


def test_the_best_mtu_fills_two_pdus() -> None:
    assert best_mtu(Phy.LE_1M) == best_mtu(Phy.LE_2M) == 498
    assert rate(Phy.LE_2M, 498) == pytest.approx(495e6 / (2 * (44 + 1004 + 150 + 44 + 150)))
    assert rate(Phy.LE_2M, 502) < rate(Phy.LE_2M, 512) < rate(Phy.LE_2M, 247) < rate(Phy.LE_2M, 498)
    assert "498 is best" in words()
