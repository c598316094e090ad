"""Fills environment variables into the texts of a document.

    unique_id = "${HIL_PROBE}"              the variable must be set
    unique_id = "${HIL_PROBE:-683377182}"   what stands after :- if it is not set, or empty
    note = "costs $${5}"                    $${ is ${ itself

What a variable holds is never looked through for variables again, nor is a default. Values of variables appear in no
error: there stands what is written in the file.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from hil.tomlfile.document import Filled, Place

MAX_VALUE = 4_096
"""Characters of a variable: what is longer is something else by mistake."""

_MARK = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
# A scalar that is no text, by TOML: what a number, a truth value or a date can be made of.
_SCALAR = re.compile(r"[+-]?[A-Za-z0-9_.:+-]{1,64}")


class Unfilled(Exception):
    """A text that cannot be filled in. Its text says why."""


def fill(data: Any, environment: Mapping[str, str]) -> tuple[Any, dict[Place, Filled], dict[Place, str]]:
    """The data with variables filled in, where that happened, and what is wrong with which place."""
    filled: dict[Place, Filled] = {}
    wrong: dict[Place, str] = {}

    def walk(value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*place, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            try:
                found = expand(value, environment)
            except Unfilled as error:
                wrong[place] = str(error)
                return value
            if found is not None:
                filled[place] = found
                return found.value
            return value.replace("$${", "${")
        return value

    return walk(data, ()), filled, wrong


def expand(text: str, environment: Mapping[str, str]) -> Filled | None:
    """The text with its variables filled in, or None when it has none. Raises Unfilled."""
    count = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] == "$${":
            return "${"
        inside = _INSIDE.fullmatch(found[1]) if found[1] is not None else None
        if inside is None:
            raise Unfilled(
                'expected "${NAME}" or "${NAME:-default}" of an environment variable; "$${" is "${" itself'
            )
        count += 1
        return _value(inside[1], inside[2], environment)

    value = _MARK.sub(replace, text)
    whole = re.fullmatch(r"\$\{[^{}]*\}", text) is not None
    return Filled(text, value, whole) if count else None


def _value(name: str, default: str | None, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "")
    if not value:
        if default is None:
            raise Unfilled(
                f'the environment variable {name} is not set; set it, or write "${{{name}:-default}}"'
            )
        return default
    if len(value) > MAX_VALUE or not value.isprintable():
        raise Unfilled(
            f"expected the environment variable {name} to hold at most {MAX_VALUE} printable characters"
        )
    return value


def scalar(text: str) -> int | float | bool | datetime.date | None:
    """The number, truth value or date that a text is by the rules of TOML, or None."""
    if _SCALAR.fullmatch(text) is None:
        return None
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return None
    return value if isinstance(value, int | float | bool | datetime.date) else None
