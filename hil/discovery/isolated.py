"""Looks for each kind in a process of its own, all at once, and gives up on those that take too long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hil.discovery.found import KINDS, WORDS, Discovery, Found, Kind

TIMEOUT_S = 20.0
"""Importing pyOCD takes a second or two on a slow machine, asking the network for instruments as long again."""
MAX_BYTES = 1_000_000
MAX_FOUND = 200
MAX_TEXT = 200

Finder = Callable[[Kind], Discovery]


def find_all(finder: Finder | None = None) -> Discovery:
    """Look for every kind. Returns what was found and a note for each kind that could not be looked for; raises
    nothing but KeyboardInterrupt.
    """
    with ThreadPoolExecutor(len(KINDS)) as pool:
        each = list(pool.map(finder or find, KINDS))
    return Discovery(
        tuple(found for part in each for found in part.found),
        tuple(note for part in each for note in part.notes),
    )


def find(kind: Kind, timeout_s: float = TIMEOUT_S, module: str = "hil.discovery") -> Discovery:
    """Look for one kind in a process that is killed after `timeout_s` seconds."""
    # A file, since a process that the finder leaves behind would hold a pipe open.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                [sys.executable, "-m", module, kind],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                timeout=timeout_s,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _nothing(kind, f"no answer within {timeout_s:g} s")
        except OSError as error:
            return _nothing(kind, str(error))
        output.seek(0)
        answer = output.read(MAX_BYTES + 1)
    if done.returncode != 0:
        return _nothing(kind, f"the search crashed ({done.returncode})")
    return understood(kind, answer)


def understood(kind: Kind, answer: bytes) -> Discovery:
    """What the process said. Names of devices come from the devices, so they are held to a form."""
    try:
        if len(answer) > MAX_BYTES:
            raise ValueError("too long")
        data = json.loads(answer)
        trouble = data["trouble"]
        found = [_found(kind, each) for each in data["found"][:MAX_FOUND]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _nothing(kind, "the search answered nonsense")
    whole = Discovery(tuple(each for each in found if each is not None))
    return whole if trouble is None else Discovery(whole.found, _nothing(kind, str(trouble)).notes)


def _found(kind: Kind, data: Any) -> Found | None:
    texts = {name: str(data[name]) for name in ("address", "text", "mark", "target")}
    address = texts["address"]
    if len(address) > MAX_TEXT or not address.isprintable():
        return None  # nothing that a rig file could name it by
    mark = texts["mark"] if texts["mark"] in ("ppk2", "jlink", "virtual") else ""
    target = texts["target"] if texts["target"].isidentifier() else ""
    return Found(kind, address, _plain(texts["text"]), mark, target)  # type: ignore[arg-type]  # looked up above


def _nothing(kind: Kind, why: str) -> Discovery:
    return Discovery(notes=(f"{WORDS[kind]} could not be looked for: {_plain(why)}",))


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:MAX_TEXT].strip()
