"""A rig whose console is RTT: real firmware on the virtual kit writes its ring, pyOCD reads it, the device is reset and
cut.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import InputError
from hil.rig import files
from hil.rig.device import Device
from hil.rig.rig import SERIAL_LOG, open_rig
from tests.serve.program import compile_program
from tests.serve.served import Served
from tests.served_rig import rig_file as served_rig


def rig_file(folder: Path, console: str) -> Path:
    text = files.find("virtual").read_text()
    head, _, rest = text.partition("[console]")
    rest = rest[rest.index("\n[") :] if "\n[" in rest else ""
    path = folder / "rtt.toml"
    path.write_text(head + console + rest)
    return path


def test_the_log_comes_by_rtt_over_resets_and_cuts(tmp_path: Path) -> None:
    file = files.load(str(rig_file(tmp_path, '[console]\ndriver = "rtt"\nram_size = 0x1000\n')))
    program = compile_program("rtt").binary
    with open_rig(file) as rig:
        rig.begin_case("RTT", 1, tmp_path)
        dut = Device(rig)
        dut.power_on()
        rig.probe.recover()
        rig.probe.program(program, 0)
        rig.probe.reset()
        rig.console.wait_for(r"count 64$", 5.0)
        rig.sleep(1.0)
        numbers = [int(line.text.split()[1]) for line in rig.console.lines]
        assert numbers == list(range(64, 64 * len(numbers) + 1, 64))  # read in time, so that none is lost
        assert len(numbers) > 10
        rig.console.skip()
        rig.probe.reset()
        rig.console.wait_for(r"count 64$", 5.0)
        dut.power_off()
        rig.console.skip()
        rig.sleep(20.0)  # longer than a probe may be silent: a device that is off is no fault of the bench
        assert rig.console.lines[-1].text.startswith("count")
        dut.power_on()
        rig.console.wait_for(r"count 64$", 5.0)
        rig.console.send(b"Q")
        rig.console.wait_for("Q", 5.0)
        rig.end_case(failed=False)
    assert "count 64\n" in (tmp_path / SERIAL_LOG).read_text()


@pytest.mark.parametrize(
    ("console", "what"),
    [
        ('[console]\ndriver = "rtt"\nport = "COM1"\n', 'driver "rtt" has no port'),
        ('[console]\ndriver = "serial"\n', "console.port: this key is required and is missing"),
        ('[console]\ndriver = "rtt"\nchannel = 16\n', "console.channel: expected"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, console: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        files.load(str(rig_file(tmp_path, console)))


def test_rtt_without_a_probe_is_told(tmp_path: Path) -> None:
    path = rig_file(tmp_path, '[console]\ndriver = "rtt"\n')
    text = path.read_text()
    head, _, rest = text.partition("[probe]")
    path.write_text(head + rest[rest.index("\n[") :])
    with pytest.raises(InputError, match=r"goes through the debug probe: \[probe\] is missing"):
        files.load(str(path))


@pytest.mark.nightly
def test_the_log_comes_by_rtt_on_a_bench_in_wall_clock_time(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        path = served_rig(served, tmp_path / "served.toml")
        text = path.read_text()
        head, _, rest = text.partition("[console]")
        rest = rest[rest.index("\n[") :] if "\n[" in rest else ""
        path.write_text(head + '[console]\ndriver = "rtt"\nram_size = 0x1000\n' + rest)
        with open_rig(files.load(str(path)), tmp_path) as rig:
            rig.begin_case("RTT", 1, tmp_path)
            dut = Device(rig)
            dut.power_on()
            rig.probe.recover()
            rig.probe.program(compile_program("rtt").binary, 0)
            rig.probe.reset()
            rig.console.wait_for(r"count 64$", 30.0)
            dut.power_off()
            rig.console.skip()
            dut.power_on()
            rig.console.wait_for(r"count 64$", 30.0)
            rig.console.send(b"Q")
            rig.console.wait_for("Q", 30.0)
            rig.end_case(failed=False)
