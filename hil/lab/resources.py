"""The resources of a labgrid place, as the tables of a rig file.

A resource says where an instrument is, and nothing else: which device, which driver and which limits is what the rig
file says. Whatever comes here is checked as text from a network: each value has one shape, and an address of this
computer's own files or devices is never one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hil.errors import BenchError

Tables = dict[str, dict[str, Any]]

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_SERIAL_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_TARGET = re.compile(r"[A-Za-z0-9_]{1,40}", re.ASCII)
_VISA = re.compile(
    r"TCPIP[0-9]?::[A-Za-z0-9.-]{1,253}(::[A-Za-z0-9,_-]{1,32})?::(INSTR|SOCKET)", re.ASCII | re.IGNORECASE
)
_SCHEMES = {"raw": "socket", "rfc2217": "rfc2217"}


class _Resource:
    """The parameters of one resource; every error names place, resource and key."""

    def __init__(self, place: str, name: str, params: Mapping[str, Any]) -> None:
        self._where = f"lab place {place}, resource {name}"
        self._params = params

    def wrong(self, key: str, expected: str) -> BenchError:
        got = repr(self._params.get(key))[:80]
        return BenchError(
            f"{self._where}, {key}: expected {expected}, got {got}; correct the exporter's file"
        )

    def has(self, key: str) -> bool:
        return self._params.get(key) is not None

    def text(self, key: str, shape: re.Pattern[str], expected: str) -> str:
        value = self._params.get(key)
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise self.wrong(key, expected)
        return value

    def whole(self, key: str, low: int, high: int) -> int:
        value = self._params.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # what labgrid sends may have been a number of any kind
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        value = self._params.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low < value <= high:
            raise self.wrong(key, f"a number above {low:g}, up to {high:g}")
        return float(value)

    def endpoint(self) -> str:
        host = self.text("host", _HOST, "the name or IPv4 address of a host")
        return f"{host}:{self.whole('port', 1, 65535)}"


def _probe(resource: _Resource, limits: Tables) -> Tables:
    if resource.has("unique_id"):
        table = {"unique_id": resource.text("unique_id", _SERIAL_NUMBER, "the serial number of a probe")}
    else:
        table = {"unique_id": f"remote:{resource.endpoint()}"}
    if resource.has("target"):
        table["target"] = resource.text("target", _TARGET, "the name of a target of pyOCD")
    return {"probe": table}


def _supply(resource: _Resource, limits: Tables) -> Tables:
    table: dict[str, Any] = {"resource": resource.text("resource", _VISA, "a VISA resource TCPIP...")}
    if resource.has("channel"):
        table["channel"] = resource.whole("channel", 1, 8)
    for key in ("max_volts", "max_amperes"):
        if resource.has(key):
            # A bench may have less than the rig file allows, and never more.
            table[key] = min(resource.number(key, 0, 60), limits.get("supply", {}).get(key, 0.0))
    return {"supply": table}


def _serial(resource: _Resource, limits: Tables) -> Tables:
    protocol = resource._params.get("protocol") or "rfc2217"  # labgrid's own default
    if protocol not in _SCHEMES:
        raise resource.wrong("protocol", "raw or rfc2217")
    table: dict[str, Any] = {"port": f"{_SCHEMES[protocol]}://{resource.endpoint()}"}
    if resource.has("speed"):
        table["baud"] = resource.whole("speed", 300, 4_000_000)
    return {"console": table}


def _adapter(table: str) -> Callable[[_Resource, Tables], Tables]:
    def made(resource: _Resource, limits: Tables) -> Tables:
        return {table: {"transport": f"tcp-client:{resource.endpoint()}"}}

    return made


CLASSES: Mapping[str, Callable[[_Resource, Tables], Tables]] = {
    "HilProbe": _probe,
    "HilSupply": _supply,
    "HilBleAdapter": _adapter("central"),
    "HilSpareBleAdapter": _adapter("spare"),
    "NetworkSerialPort": _serial,
}
"""The classes that are understood; others are left alone."""


def tables(place: str, resources: Iterable[Mapping[str, Any]], limits: Tables) -> tuple[Tables, list[str]]:
    """What the resources say of a rig file's tables, and the classes that were not understood.

    `limits` are the tables of the rig file they add to: a table that it has not is not added, since only the rig file
    says what an instrument is for. Raises BenchError naming place, resource and key.
    """
    found: Tables = {}
    ignored: list[str] = []
    for each in resources:
        name, cls, params = str(each.get("name"))[:200], str(each.get("cls"))[:200], each.get("params")
        convert = CLASSES.get(cls)
        if convert is None or not isinstance(params, Mapping):
            ignored.append(f"{name} ({cls})")
            continue
        for table, keys in convert(_Resource(place, name, params), limits).items():
            if table not in limits:
                ignored.append(f"{name} ({cls}: the rig file has no [{table}])")
            elif table in found:
                raise BenchError(
                    f"lab place {place}, resource {name}: a second {cls}; a rig has one [{table}]"
                )
            else:
                found[table] = keys
    return found, ignored
