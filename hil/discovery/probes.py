"""Debug probes, as pyOCD finds them: CMSIS-DAP, J-Link, ST-Link, and virtual kits."""

from __future__ import annotations

from hil.discovery.found import Found


def find() -> list[Found]:
    """Every probe that pyOCD sees. It opens none of them."""
    from pyocd.probe.aggregator import DebugProbeAggregator

    found = []
    for probe in DebugProbeAggregator.get_all_connected_probes():
        board = probe.associated_board_info
        target = (board.target or "") if board is not None else ""
        text = f"{probe.description} {probe.unique_id}"
        found.append(
            Found("probe", probe.unique_id, text, "virtual" if probe.vendor_name == "hil" else "", target)
        )
    return found
