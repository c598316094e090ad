"""The page for people: what it says, that it stands alone, and that nothing in it is taken for HTML."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hil.report import changes, link_trace, plot, sweep_map
from hil.report.page import page
from hil.report.run_folder import RunRecord
from hil.report.timeline import timeline
from hil.report.verdict import first_line, verdict
from tests.release.runs import figure, result, run_folder

EVIL = "</script><img src=x onerror=alert(1)>\"'&\u202e\x00\x07"
STAGES = [
    {"name": "upload", "start": 1.0, "seconds": 1.0, "held": True},
    {"name": "swap", "start": 2.0, "seconds": 2.0, "held": False},
]
THROUGHPUT = {
    "case": "T-01",
    "kind": "dfu",
    "phy": "2M",
    "mtu": 498,
    "data_length": 251,
    "interval_ms": 15.0,
    "payload_bytes": 1000,
    "seconds": 0.5,
    "bytes_per_second": 2000.0,
    "ceiling_bytes_per_second": 4000.0,
    "efficiency": 0.5,
    "bound_by": "air",
}
POINT = {
    "scenario": "swap",
    "operation": 5,
    "operations": 9,
    "phase": "during",
    "held": False,
    "what": "lost",
}
CHROMIUM = os.environ.get("HIL_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


class Reader(HTMLParser):
    """Collects what the tests look at."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.headings: list[int] = []
        self.external: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        given = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name) for name in given]
        if "id" in given:
            self.ids.append(given["id"])
        if given.get("href", "").startswith("#"):
            self.anchors.append(given["href"][1:])
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name in ("src", "href"):
            if re.match(r"(https?:)?//", given.get(name, "")):
                self.external.append(given[name])


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def full(folder: Path, **more: Any) -> RunRecord:
    """A run with one of everything, a failed case with traces among it."""
    failed = result(
        "A-02[x]",
        "failed",
        stages=STAGES,
        artefacts=[f"cases/A-02/{name}" for name in ("power.csv", "serial.log", "flash.csv", "failure.txt")],
        evidence_for=["BRIEF-rollback"],
        reason="the old image came back",
        sweep=[POINT],
    )
    results = [
        result("A-01", figures=[figure("duration", 1.5)], throughput=[THROUGHPUT], stages=STAGES[:1]),
        failed,
        result("A-03", "skipped"),
        result("A-04", "error"),
    ]
    controls = [{"case": "A-01", "defect": "version", "outcome": "failed", "reason": "taken", "held": True}]
    made = run_folder(folder, "20260101-000000-nightly-aaaa", results, controls=controls, **more)
    case = made / "cases" / "A-02"
    case.mkdir()
    (case / "power.csv").write_text("time_s,action,volts,amperes\n0.1,set,3.0,\n0.2,on,,\n3.0,off,0.0,\n")
    (case / "serial.log").write_text("[    0.300000] boot: starts\n[    2.500000] boot: <swap> starts\n")
    (case / "flash.csv").write_text("start_s,end_s,kind,address\n2.1,2.2,erase page,0x12000\n")
    (case / "failure.txt").write_text("Traceback\n")
    (made / "rig.json").write_text(
        json.dumps({"device": {"slots": [{"role": "primary", "start": 0x12000, "size": 0x1000}]}})
    )
    return RunRecord.load(made)


def test_the_page_says_what_did_not_hold_where_and_how_to_repeat_it(tmp_path: Path) -> None:
    text = page(full(tmp_path))
    assert "The device broke a requirement in 1 case." in text
    assert "A-02[x]: the old image came back (in stage swap)" in text
    assert "hil run --case A-02[x]" in text
    assert "This is no evidence about hardware" in text
    assert "failed, as it must" in text
    assert "primary slot: 1 pages erased" in text
    assert "boot: &lt;swap&gt; starts" in text
    assert "operation 5, during: lost" in text


def test_it_stands_alone_and_in_order(tmp_path: Path) -> None:
    reader = read(page(full(tmp_path)))
    assert reader.external == []
    assert reader.tags["script"] == 0
    assert reader.tags["main"] == reader.tags["h1"] == reader.tags["header"] == 1
    assert [name for name, times in Counter(reader.ids).items() if times > 1] == []
    assert set(reader.anchors) <= set(reader.ids)
    steps = [after - before for before, after in zip(reader.headings, reader.headings[1:], strict=False)]
    assert reader.headings[0] == 1
    assert max(steps) <= 1
    assert not [name for _, name in reader.attributes if name.startswith("on")]


def test_nothing_from_a_case_a_device_or_a_log_is_taken_for_html(tmp_path: Path) -> None:
    record = full(tmp_path, device=EVIL, plan=EVIL, rig=EVIL, images={EVIL: EVIL}, unmodelled={EVIL: 3})
    for row in record.results:
        row |= {
            "id": EVIL + row["id"],
            "sentence": EVIL,
            "reason": EVIL,
            "command": EVIL,
            "evidence_for": [EVIL],
        }
        row["figures"] = [figure(EVIL, 1.0, EVIL)]
        row["stages"] = [{"name": EVIL, "start": 0.0, "seconds": 4.0, "held": False}]
        row["sweep"] = [POINT | {"scenario": EVIL, "what": EVIL}]
    (record.path / "cases" / "A-02" / "serial.log").write_text(f"[    0.300000] {EVIL}\n" + "x" * 1_000_000)
    text = page(record)
    sound = read(page(full(tmp_path / "sound")))
    reader = read(text)
    assert reader.tags["img"] == reader.tags["script"] == 0
    assert set(reader.tags) <= set(sound.tags) | {"li", "ul"}
    assert "<img" not in text
    assert len(text) < 600_000


def test_every_colour_of_text_can_be_read_on_its_ground() -> None:
    css = (Path(plot.__file__).parent / "templates" / "page.html").read_text()
    schemes = re.findall(r":root \{([^}]*--ink[^}]*--even[^}]*)\}", css)
    assert len(schemes) == 2
    for scheme in schemes:
        colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", scheme))
        pairs = [(ink, ground) for ink in ("ink", "faint", "link") for ground in ("paper", "panel")]
        pairs += [(kind, "paper") for kind in ("good", "bad", "warn")]
        pairs += [("ink", f"{kind}-panel") for kind in ("good", "bad", "warn")]
        for ink, ground in pairs:
            assert _contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_comparison_of_values_is_told_as_the_sentence_that_did_not_hold() -> None:
    row = result("A-1", "failed", reason="assert 3 == 4", stages=STAGES)
    assert first_line([row]) == "A-1: this did not hold: Something holds (in stage swap)"


@pytest.mark.parametrize(
    ("outcomes", "state", "kind", "words"),
    [
        (["passed"], "finished", "passed", "All held: 1 case passed."),
        (["passed", "skipped"], "finished", "passed", "1 case skipped"),
        (["failed", "error"], "finished", "failed", "The bench failed in 1 case besides"),
        (["error"], "finished", "error", "nothing is said of the device"),
        ([], "finished", "error", "No case ran"),
        (["passed"], "interrupted", "error", "Interrupted."),
        (["passed"], "running", "error", "the run was killed"),
    ],
)
def test_the_verdict(outcomes: list[str], state: str, kind: str, words: str) -> None:
    found = verdict({"state": state}, [result(str(n), outcome) for n, outcome in enumerate(outcomes)])
    assert found[0] == kind
    assert words in found[1]


def test_what_changed_since_the_last_run(tmp_path: Path) -> None:
    then = [result("A-1", figures=[figure("t", 2.0)]), result("A-2"), result("A-3", "failed"), result("A-4")]
    now = [result("A-1", figures=[figure("t", 2.5)]), result("A-2", "failed"), result("A-3"), result("A-5")]
    run_folder(tmp_path, "20260101-000000-n-aaaa", then)
    run_folder(tmp_path, "20260102-000000-n-aaaa", [], plan="another")
    run_folder(tmp_path, "20260103-000000-n-aaaa", [], state="running")
    record = RunRecord.load(run_folder(tmp_path, "20260104-000000-n-aaaa", now))
    other = changes.before(record)
    assert other is not None
    assert other.name == "20260101-000000-n-aaaa"
    assert changes.changes(record, other) == [
        ("worse", "A-2: passed then, failed now"),
        ("better", "A-3: failed then, passed now"),
        ("worse", "no longer run: A-4"),
        ("neutral", "new: A-5"),
        ("worse", "A-1, t: 2 then, 2.5 s now (+25.0%)"),
    ]
    assert "A-2: passed then, failed now" in page(record, other)


@pytest.mark.parametrize(
    "content", [b"", b"btsnoop\x00", b"nonsense" * 9, b"btsnoop\x00" + bytes(8) + b"\xff" * 100, bytes(1000)]
)
def test_a_capture_that_is_none_gives_an_empty_trace(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "link.btsnoop"
    path.write_bytes(content)
    assert link_trace.read(path).up == []


def test_a_capture_tells_when_the_link_was_up(tmp_path: Path) -> None:
    from hil.ble.btsnoop import UNIX_EPOCH_US, BtsnoopWriter

    now = [0.0]
    with BtsnoopWriter(tmp_path / "x", lambda: UNIX_EPOCH_US + round(now[0] * 1e6)) as writer:
        for when, packet in (
            (1.0, bytes([4, 0x3E, 19, 1, 0]) + bytes(17)),
            (1.5, bytes([4, 0x3E, 6, 0x0C, 0, 1, 0, 2, 2])),
            (2.0, bytes([2, 0, 0, 4, 0]) + bytes(4)),
            (3.0, bytes([4, 5, 4, 0, 1, 0, 0x13])),
        ):
            now[0] = when
            writer.write(packet, True)
    trace = link_trace.read(tmp_path / "x")
    assert (trace.up, trace.phys, trace.data) == ([(1.0, 3.0)], [(1.5, "2M")], [(2.0, 9)])


def test_a_case_without_traces_has_no_timeline(tmp_path: Path) -> None:
    assert timeline(result("A-1", "failed", seconds=0.0), tmp_path) is None


def test_the_sweep_map_marks_what_was_lost() -> None:
    held = POINT | {"held": True, "phase": "before"}
    drawn = sweep_map.svg("swap", [POINT, held])
    assert drawn.count("point lost") == drawn.count("point held") == 1
    assert "2 cuts over 9 flash operations, 1 lost" in drawn


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: set HIL_CHROMIUM to one")
@pytest.mark.parametrize("width", [360, 1100])
def test_in_a_browser_nothing_is_wider_than_the_window(tmp_path: Path, width: int) -> None:
    text = page(full(tmp_path))
    # The page itself has no script and forbids any: the copy that is measured has one instead of that rule.
    measured = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace(
        "</body>",
        '<p id="m"></p><script>document.getElementById("m").textContent = "measured " +'
        " document.documentElement.scrollWidth + ' of ' + window.innerWidth</script></body>",
    )
    (tmp_path / "page.html").write_text(measured)
    # A headless window is never narrower than some 500 pixels: the page is looked at in a frame of its own width.
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" src="page.html" style="width:{width}px;height:800px;border:0"></iframe><p id="r"></p><script>'
        'document.getElementById("f").onload = function () { var d = this.contentDocument;'
        'document.getElementById("r").textContent = "measured " + d.documentElement.scrollWidth; }</script>'
    )
    words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    told = subprocess.run(
        [*words, "--virtual-time-budget=3000", "--dump-dom", (tmp_path / "frame.html").as_uri()],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    [found] = re.findall(r'<p id="r">measured (\d+)', told)
    assert int(found) <= width


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: set HIL_CHROMIUM to one")
def test_in_a_browser_it_prints(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(full(tmp_path)))
    words = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--print-to-pdf={tmp_path}/page.pdf",
    ]
    done = subprocess.run(
        [*words, (tmp_path / "page.html").as_uri()], check=True, capture_output=True, text=True, timeout=60
    )
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert "Refused to" not in done.stderr


def test_the_command_makes_the_page_again_also_of_a_killed_run(tmp_path: Path) -> None:
    from tests.whole.running import hil

    made = run_folder(tmp_path, "run", [result("A-1")], state="running")
    told = hil(tmp_path, "report", str(made))
    assert told.code == 0, told.err
    assert "the run was killed" in (made / "report.html").read_text()
    assert (made / "junit.xml").is_file()
    assert hil(tmp_path, "report", str(tmp_path)).code == 2
