"""A stand-in for the program nrfutil, made from the documents of `nrfutil device`: no recording of hardware.

Started as a program, with a chip in the folder that HIL_TEST_CHIP names. Each command and its answer is
appended to `calls.jsonl` there. What `manners` holds there makes it misbehave.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from intelhex import IntelHex

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.probe.chip import UICR, Chip

SERIAL = "000683298616"


def main() -> int:
    folder = Path(os.environ["HIL_TEST_CHIP"])
    arguments = sys.argv[1:]
    manners = (folder / "manners").read_text() if (folder / "manners").exists() else ""
    if manners == "silent":
        time.sleep(600)
    if manners == "garbage":
        sys.stdout.buffer.write(
            b"\x00\xff{not json\n[1,2]\n" + b'{"type": "task_end", "data"' + b"x" * 100_000
        )
        return 0
    if manners == "flood":
        while True:
            sys.stdout.buffer.write(b"x" * 1_000_000)
    if manners == "leaves a child":
        subprocess.Popen(["sleep", "30"], start_new_session=True)
        time.sleep(600)
    if manners == "fails quietly":
        print(json.dumps(_ended("the operation was not done")))
        return 0
    if manners == "killed":
        os.kill(os.getpid(), 9)
    if manners == "not installed":
        print('error: command "device" is not installed', file=sys.stderr)
        return 1
    chip = Chip.load(folder)
    code, said = _answer(chip, arguments)
    chip.save(folder)
    with (folder / "calls.jsonl").open("a") as calls:
        told = [Path(each).name if each.startswith("/") else each for each in arguments]
        calls.write(json.dumps({"arguments": told, "code": code, "said": said}) + "\n")
    for message in said:
        print(json.dumps(message))
    return code


def _answer(chip: Chip, arguments: list[str]) -> tuple[int, list[object]]:
    assert arguments[:2] == ["--json", "device"], arguments
    command, rest = arguments[2], arguments[3:]
    options: dict[str, str] = {}
    while rest:
        name = rest.pop(0)
        options[name] = rest.pop(0) if rest and not rest[0].startswith("--") else ""
    if command == "list":
        device = {"serialNumber": SERIAL, "traits": {"jlink": True, "devkit": True, "usb": True}}
        return 0, [{"type": "info", "data": {"devices": [device]}}]
    if options["--serial-number"].lstrip("0") != SERIAL.lstrip("0"):
        return 1, [_ended("no device with that serial number")]
    if chip.locked and command not in ("recover", "reset", "go"):
        words = "the Application core access port is protected (NotAvailableBecauseProtection)"
        return 1, [_ended(f"Failed to attach to target: {words}")]
    try:
        _do(chip, command, options)
    except ValueError as error:
        return 1, [_ended(str(error))]
    return 0, [{"type": "task_begin", "data": {"task": {"id": "1"}}}, _ended("")]


def _do(chip: Chip, command: str, options: dict[str, str]) -> None:
    if command == "read":
        address = int(options["--address"], 16)
        content = IntelHex()
        content.frombytes(chip.read(address, int(options["--bytes"])), address)
        content.write_hex_file(options["--to-file"])
    elif command == "write":
        value = int(options["--value"], 16).to_bytes(4, "little")
        chip.write(int(options["--address"], 16), value, controlled="--direct" not in options)
    elif command == "program":
        chosen = dict(each.split("=") for each in options["--options"].split(","))
        assert chosen["chip_erase_mode"] == "ERASE_RANGES_TOUCHED_BY_FIRMWARE", chosen
        chip.running = False
        content = IntelHex(options["--firmware"])
        for start, end in content.segments():
            for page in range(start // 0x1000 * 0x1000, end, 0x1000):
                if page < UICR:
                    chip.erase(page)
            chip.write(start, content.tobinstr(start, end - 1), controlled=True)
    elif command == "erase":
        chip.running = False
        if "--all" in options:
            chip.erase_all()
        else:
            first, _, end = options["--pages"].partition("-")
            for page in range(int(first, 16), int(end, 16) if end else int(first, 16) + 1, 0x1000):
                chip.erase(page)
    elif command == "recover":
        chip.recover()
        chip.running = False
    elif command == "reset":
        chip.reset(running=True)
    elif command == "halt":
        chip.running = False
    elif command == "go":
        chip.running = True
    else:
        raise ValueError(f"unknown command {command}")


def _ended(failure: str) -> dict[str, object]:
    if not failure:
        return {"type": "task_end", "data": {"task": {"id": "1"}, "result": "success"}}
    error = {"code": 24 if "Protection" in failure else 1, "description": failure}
    return {"type": "task_end", "data": {"task": {"id": "1"}, "result": "fail", "error": error}}


if __name__ == "__main__":
    sys.exit(main())
