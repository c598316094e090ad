"""Environment variables in a TOML file."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hil.errors import InputError
from hil.tomlfile import compose, validate
from hil.tomlfile.variables import Unfilled, expand, scalar

ENVIRONMENT = {
    "NAME": "desk",
    "EMPTY": "",
    "BAUD": "115_200",
    "HEX": "0x10",
    "YES": "true",
    "DAY": "2026-03-01",
    "VOLTS": "3.3",
    "TOKEN": "hunter2hunter2",
    "AGAIN": "${NAME}",
    "BELL": "a\x07b",
    "LONG": "x" * 5000,
}


def no_upper(text: str) -> str:
    """A validator that quotes what it refuses."""
    if text != text.lower():
        raise ValueError(f'expected lower case, got "{text}"')
    return text


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    text: str = Field(default="", max_length=20)
    baud: int = Field(default=0, ge=0, le=1_000_000)
    volts: float = Field(default=0, ge=0, le=5)
    on: bool = False
    day: datetime.date | None = None
    choice: Literal["a", "b"] = "a"
    number: Literal[16, 17] = 16
    texts: list[str] = []
    lower: Annotated[str, AfterValidator(no_upper)] = ""


class File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    part: Part = Part()


def load(folder: Path, text: str) -> Part:
    """The part of a file with this text in it."""
    path = folder / "f.toml"
    path.write_text(f"[part]\n{text}\n", encoding="utf-8")
    return validate(compose(path, environment=ENVIRONMENT), File).part


def error_of(folder: Path, text: str) -> str:
    """What is said about a file with this text in it."""
    with pytest.raises(InputError) as caught:
        load(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${NAME}", "desk"),
        ("a-${NAME}-${NAME}", "a-desk-desk"),
        ("${NONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${NONE:-}", ""),
        ("${NAME:-default}", "desk"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("$NAME $ {NAME}", "$NAME $ {NAME}"),
        ("${AGAIN}", "${NAME}"),
        ("${BAUD}", "115_200"),  # the key is a text, so it stays one
    ],
)
def test_what_a_text_becomes(tmp_path: Path, written: str, value: str) -> None:
    assert load(tmp_path, f'text = "{written}"').text == value


def test_a_whole_variable_takes_the_type_of_its_key(tmp_path: Path) -> None:
    part = load(
        tmp_path,
        'baud = "${BAUD}"\nvolts = "${VOLTS}"\non = "${YES}"\nday = "${DAY}"\nnumber = "${HEX}"\ntexts = ["${BAUD}"]',
    )
    assert (part.baud, part.volts, part.on, part.number) == (115_200, 3.3, True, 16)
    assert part.day == datetime.date(2026, 3, 1)
    assert part.texts == ["115_200"]


def test_a_default_takes_the_type_too(tmp_path: Path) -> None:
    assert load(tmp_path, 'baud = "${NONE:-9600}"').baud == 9600


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'text = "${NONE}"',
            'f.toml:2: part.text: the environment variable NONE is not set; set it, or write "${NO',
        ),
        ('text = "${EMPTY}"', "f.toml:2: part.text: the environment variable EMPTY is not set"),
        ('texts = [\n"a",\n"${NONE}"]', "f.toml:4: part.texts[1]: the environment variable NONE is not set"),
        ('text = "${}"', 'f.toml:2: part.text: expected "${NAME}" or "${NAME:-default}"'),
        ('text = "${1A}"', 'expected "${NAME}"'),
        ('text = "${NAME"', 'expected "${NAME}"'),
        ('text = "${NAME:default}"', 'expected "${NAME}"'),
        ('text = "${NONE:-${NAME}}"', 'expected "${NAME}"'),
        ('text = "${BELL}"', "expected the environment variable BELL to hold at most 4096 printable"),
        ('text = "${LONG}"', "expected the environment variable LONG to hold at most 4096 printable"),
        ('baud = "${NAME}"', 'f.toml:2: part.baud: expected a whole number, got "${NAME}"'),
        ('baud = "1${BAUD}"', 'f.toml:2: part.baud: expected a whole number, got "1${BAUD}"'),
        ('baud = "115200"', 'f.toml:2: part.baud: expected a whole number, got "115200"'),
        ('baud = "${NONE:--1}"', 'f.toml:2: part.baud: expected a number of at least 0, got "${NONE:--1}"'),
        ('choice = "${BAUD}"', "f.toml:2: part.choice: expected one of 'a' or 'b', got \"${BAUD}\""),
        ('baud = "${NONE:-fast}"', 'f.toml:2: part.baud: expected a whole number, got "${NONE:-fast}"'),
        ('volts = "${NONE:-nan}"', "f.toml:2: part.volts: expected"),
    ],
)
def test_a_mistake_names_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    error = error_of(tmp_path, text)
    assert expected in error
    assert "\n" not in error


@pytest.mark.parametrize(
    "text",
    [
        'text = "${TOKEN}${TOKEN}"',
        'baud = "${TOKEN}"',
        'choice = "${TOKEN}"',
        'nme = "${TOKEN}"',
        'lower = "A${TOKEN}"',
    ],
)
def test_an_error_shows_no_value_of_a_variable(tmp_path: Path, text: str) -> None:
    assert "hunter" not in error_of(tmp_path, text)


@given(st.text(alphabet="${}:-AB_1 \n", max_size=30))
def test_any_text_is_filled_in_or_refused(text: str) -> None:
    try:
        found = expand(text, {"A": "${B}", "B": "b"})
    except Unfilled:
        return
    if found is not None:
        assert found.written == text and "${A" not in found.value.replace("$${", "")


@given(st.text(max_size=20))
def test_a_scalar_is_one_or_none(text: str) -> None:
    value = scalar(text)
    assert value is None or isinstance(value, int | float | bool | datetime.date)


@pytest.mark.parametrize(
    "text", ["1\nb = 2", "[1]", "{ a = 1 }", '"x"', "1 # x", "", " 1", "1 ", "truE", "07:30:00"]
)
def test_what_is_no_scalar(text: str) -> None:
    assert scalar(text) is None
