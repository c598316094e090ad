"""Mistakes in rig files: each is a line with file, line, key, what was expected and what was found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil import bundled
from hil.errors import InputError
from hil.rig import files

VIRTUAL = (bundled.rigs() / "virtual.toml").read_text(encoding="utf-8")


def error_of(folder: Path, text: str | bytes) -> str:
    """What is said about a file with this text, without the folder."""
    path = folder / "desk.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as caught:
        files.load(str(path))
    return str(caught.value).replace(f"{folder}/", "")


def line_of(text: str, part: str) -> int:
    """The line, from 1, in which a part of the text begins. The part is there once."""
    assert text.count(part) == 1, part
    return text[: text.index(part)].count("\n") + 1


SLOTS = VIRTUAL[VIRTUAL.index("[[device.slots]]") : VIRTUAL.index("[device.ble]")]
PRIMARY = "start = 0x12000\nsize = 0x73000"
INLINE = """\
slots = [   # [not.a.header]
    { role = "primary", start = 0x12000, size = 0x73000 },

    { role = "secondary", start = 0x85000, size = 0x74000 },
]
"""


@pytest.mark.parametrize(
    ("old", "new", "mark", "expected"),
    [
        # A value of another type.
        ("channel = 1", 'channel = "1"', "channel =", 'supply.channel: expected a whole number, got "1"'),
        ("channel = 1", "channel = 1.0", "channel =", "supply.channel: expected a whole number, got 1.0"),
        ("channel = 1", "channel = true", "channel =", "supply.channel: expected a whole number, got True"),
        ("auto_unlock = false", "auto_unlock = 0", "auto_unlock =", "expected true or false, got 0"),
        ("max_volts = 3.6", "max_volts = []", "max_volts =", "supply.max_volts: expected a number, got []"),
        ("[probe]", "probe = 1\n[xprobe]", "probe = 1", "device.limits.probe: unknown key"),
        ('description = "', "description = 1 # ", "description =", "description: expected a text, got 1"),
        # Out of range.
        ("channel = 1", "channel = 9", "channel =", "supply.channel: expected a number of at most 8, got 9"),
        ("max_volts = 3.6", "max_volts = nan", "max_volts =", "supply.max_volts: expected a number"),
        ("max_volts = 3.6", "max_volts = inf", "max_volts =", "supply.max_volts: expected a number"),
        (
            "max_volts = 3.6",
            "max_volts = 2.9",
            "nominal_volts =",
            "nominal_volts of at most max_volts (2.9), got 3",
        ),
        (
            "off_seconds = 0.5",
            "off_seconds = -0.0001",
            "off_seconds =",
            "expected a number of at least 0, got -0.0001",
        ),
        (
            "start = 0xF9000",
            "start = -1",
            "start = -1",
            "device.settings.start: expected a number of at least 0, got -1",
        ),
        (
            "flash_page = 0x1000",
            "flash_page = 0",
            "flash_page =",
            "device.flash_page: expected a number greater than 0",
        ),
        ("frequency = 4_000_000", "frequency = 9" + "9" * 400, "frequency =", "probe.frequency: expected"),
        # Keys that are not known, and tables that are not.
        ("wire_ohms", "wire_ohm", "wire_ohm =", 'virtual.wire_ohm: unknown key; did you mean "wire_ohms"?'),
        (
            "[device.limits]",
            "[device.limit]",
            "[device.limit]",
            'device.limit: unknown key; did you mean "limits"?',
        ),
        ("[console]", "[[console]]", "[[console]]", "console: expected a table, got [{"),
        (
            "[virtual]",
            "[virtual.battery]\n[virtual]",
            "[virtual.battery]",
            "battery.internal_ohms: this key is required",
        ),
        (
            "[console]",
            '"con sole".x = 1\n[console]',
            '"con sole".x',
            "spare.con sole: unknown key; known keys:",
        ),
        # What is missing is said to be missing from its table, with what it is for.
        (
            'soc = "nRF52840"\n',
            "",
            "[device]",
            "device.soc: this key is required and is missing; expected system on chip",
        ),
        (
            "schema = 1\n",
            "",
            None,
            "desk.toml: schema: this key is required and is missing; expected version of this",
        ),
        (SLOTS, "", "[device]", "device.slots: this key is required and is missing; expected the slot map"),
        # Values with a form.
        ('"8d53dc1d-', '"8d53dc1-', "service =", "device.ble.service: expected a UUID such as 8d53dc1d-"),
        (
            '"C0:FF:EE:00:00:01"',
            '"C0:FF:EE:00:00"',
            '"C0:FF:EE:00:00"',
            "central.address: expected a Bluetooth address",
        ),
        (
            'name = "virtual"',
            'name = "my rig"',
            'name = "my rig"',
            'name: expected 1 to 64 letters, digits, ".", "_" or',
        ),
        (
            'bench = "virtual"',
            'bench = "Virtual"',
            "bench =",
            "bench: expected one of 'virtual', 'served' or 'real', got",
        ),
        (
            'role = "primary"',
            'role = "Primary"',
            '"Primary"',
            "device.slots[0].role: expected one of 'primary', 'second",
        ),
        (
            '    "behaviours"',
            '    "behaviour"',
            '"behaviour",',
            "device.supports[0]: expected one of 'behaviours'",
        ),
        (
            '"encrypted-images",\n',
            '\n\n"encrypted",\n',
            '"encrypted"',
            "device.supports[13]: expected one of",
        ),
        # The slot map.
        (
            PRIMARY,
            "start = 0x12000\nsize = 0x74000",
            "start = 0x85000",
            "slots[0] (0x12000 to 0x86000) and slots[1] (0x85",
        ),
        (
            "start = 0x10000",
            "start = 0x0F000",
            "start = 0x0F000",
            "bootloader (0x0 to 0x10000) and provisioning",
        ),
        (
            "size = 0x74000",
            "size = 0x74001",
            "size = 0x74001",
            "device.slots[1].size: expected whole pages of 0x1000 bytes, got 0x74001",
        ),
        # Lists of tables, and tables in a line.
        (
            'swap = "offset"\n',
            INLINE.replace("0x73000", "0"),
            '    { role = "primary"',
            "device.slots[0].size: expected",
        ),
        # Keys that do not go together.
        (
            'driver = "bumble"\ntransport = "hil:central"',
            'driver = "os"\ntransport = "hil:central"',
            'transport = "hil:central"',
            'central.transport: driver "os" has no transport',
        ),
        (
            'transport = "hil:central"',
            'transport = "hil:central"\nadapter = "hci0"',
            'adapter = "hci0"',
            'central.adapter: driver "bumble" has no adapter',
        ),
        (
            "[virtual]",
            '[initiator]\ncommand = [\n"x",\n"{port}",\n]\n\n[virtual]',
            '"{port}"',
            'initiator.command[1]: "{port}" is none of image, version',
        ),
        # One written twice.
        (
            "channel = 1",
            "channel = 1\nbaud = 1\nchannel = 2",
            "channel = 2",
            "supply.channel: is written twice; first on",
        ),
        ("[console]", "[probe]\n[console]", None, "probe: is written twice; first on line"),
        # No TOML.
        ("channel = 1", "channel = ", "channel = ", "not valid TOML: Invalid value"),
        ("channel = 1", "channel 1", "channel 1", "not valid TOML: Expected '=' after a key"),
        (
            "[console]",
            "[console",
            "[console",
            "not valid TOML: Expected ']' at the end of a table declaration",
        ),
        (
            'port = "hil://kit0/console"',
            'port = "hil://kit0/console',
            'port = "hil://kit0/console\nbaud',
            "not valid TOML",
        ),
        ("channel = 1", "channel = 01", "channel =", "not valid TOML"),
    ],
)
def test_a_mistake_is_one_line_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, mark: str | None, expected: str
) -> None:
    assert old in VIRTUAL
    text = VIRTUAL.replace(old, new, 1)
    if "slots = [" in new:
        text = text.replace(SLOTS, "")
    error = error_of(tmp_path, text)
    first = error.splitlines()[0]
    assert expected in error
    if mark is not None:
        line = line_of(text, mark)
        assert any(
            each.startswith(f"desk.toml:{line}: ") and expected in each for each in error.splitlines()
        ), error
    assert first.startswith("desk.toml:")


def test_each_slot_of_an_inline_list_has_its_own_line(tmp_path: Path) -> None:
    text = VIRTUAL.replace(SLOTS, "").replace('swap = "offset"\n', 'swap = "offset"\n' + INLINE)
    (tmp_path / "good.toml").write_text(text)
    assert len(files.load(str(tmp_path / "good.toml")).device.slots) == 2
    broken = text.replace("size = 0x74000", "size = -4")
    line = line_of(broken, "size = -4")
    error = error_of(tmp_path, broken)
    assert error == f"desk.toml:{line}: device.slots[1].size: expected a number greater than 0, got -4"


def test_a_line_is_counted_past_texts_and_lists_of_many_lines(tmp_path: Path) -> None:
    text = VIRTUAL.replace(
        'description = "',
        'without = [\n"probe",\n# [probe]\n]\ndescription = """\n[supply]\nchannel = 0\n"""  # "',
    ).replace("channel = 1", "channel = 0")
    line = text[: text.rindex("channel = 0")].count("\n") + 1
    assert (
        error_of(tmp_path, text)
        == f"desk.toml:{line}: supply.channel: expected a number of at least 1, got 0"
    )


def test_dotted_keys_and_quoted_ones_have_their_line(tmp_path: Path) -> None:
    start = VIRTUAL.index("[console]")
    text = VIRTUAL[:start].replace("[device]", 'console.driver = "serial"\nconsole."port" = 1\n\n[device]')
    line = line_of(text, 'console."port"')
    assert error_of(tmp_path, text) == f"desk.toml:{line}: console.port: expected a text, got 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "desk.toml: schema: this key is required"),
        (b"\xef\xbb\xbfschema = 1", "desk.toml:1: not valid TOML"),
        (b'schema = 1\nname = "\xff"', "desk.toml:2: expected UTF-8 text, got byte 0xff at 19"),
        (VIRTUAL.encode("utf-16"), "desk.toml:1: expected UTF-8 text, got byte 0xff at 0"),
        (b"\x7fELF\x02\x01\x01\x00", "desk.toml:1: not valid TOML"),
        (b"#" * 1_000_001, "desk.toml: expected a TOML file of at most 1000000 bytes"),
        (b"\n#" + b"x" * 4_000, "desk.toml:2: expected lines of at most 4000 characters"),
        (
            b"a = " + b"[" * 1_900 + b"]" * 1_900,
            "desk.toml: expected tables and lists nested at most 32 deep",
        ),
        (b"a = " + b"[" * 40 + b"]" * 40, "desk.toml: expected tables and lists nested at most 32 deep"),
        (b"\n[" + b".".join([b"a"] * 1_000) + b"]", "desk.toml:2: expected keys of at most 32 parts"),
        (b"x = {" + b" . ".join([b'"a"'] * 500) + b" = 1}", "desk.toml:1: expected keys of at most 32 parts"),
        (b"a = [" + b"[\n" * 3_000, "desk.toml: expected tables and lists nested at most 32 deep"),
        (
            b"schema = 1" + b"0" * 3_900,
            "desk.toml:1: schema: unable to parse input string as an integer, exceeded maximum size, got 1000",
        ),
        (
            b'name = "\\u001b[31mred"',
            'name: expected 1 to 64 letters, digits, ".", "_" or "-", got "\\x1b[31mred"',
        ),
        (b'"a\\nb" = 1', "desk.toml:1: a\\nb: unknown key"),
        (b"a = 1\nb = 'x", "desk.toml:2: not valid TOML"),
    ],
    ids=range(16),
)
def test_what_is_no_rig_file_is_refused(tmp_path: Path, text: bytes, expected: str) -> None:
    error = error_of(tmp_path, text)
    assert expected in error
    assert all(line.isprintable() for line in error.splitlines())


def test_at_most_thirty_mistakes_are_told(tmp_path: Path) -> None:
    lines = error_of(tmp_path, VIRTUAL + "".join(f"key{n} = {n}\n" for n in range(1000))).splitlines()
    assert len(lines) == 31
    assert lines[-1] == "desk.toml: and 970 mistakes more"


def refused_or_taken(path: Path, data: bytes) -> None:
    """Whatever a file holds, it is a rig, or an InputError of printable lines that each name a file."""
    path.write_bytes(data)
    try:
        files.load(str(path))
    except InputError as error:
        for line in str(error).splitlines():
            assert line.startswith(str(path)) and line.isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_a_rig_or_an_input_error(tmp_path: Path, data: bytes) -> None:
    refused_or_taken(tmp_path / "desk.toml", data)


VALUES = [
    "1",
    "-1",
    '"x"',
    "[]",
    "{}",
    "[1]",
    '{ a = "b" }',
    "nan",
    "true",
    "1979-05-27",
    '"""\n"""',
    '"${HOME}"',
    '"${"',
    "",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.integers(0, 2**32))
def test_any_change_of_a_rig_file_leaves_a_rig_or_an_input_error(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    lines = VIRTUAL.splitlines()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(chance.randrange(len(lines)), lines[at])
            case 2:
                lines[at] = lines[at].partition("=")[0] + "= " + chance.choice(VALUES)
            case 3:
                cut = chance.randrange(len(lines[at]) + 1)
                lines[at] = (
                    lines[at][:cut]
                    + chance.choice(["", "[", "]", '"', ".", "#", "\0", "=", "\r"])
                    + lines[at][cut + 1 :]
                )
            case 4:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                lines.insert(at, f"include = [{chance.choice(VALUES)}]")
    refused_or_taken(tmp_path / "desk.toml", "\n".join(lines).encode())
