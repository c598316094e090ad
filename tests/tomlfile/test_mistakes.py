"""What is said about a key, whatever shape the model has there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hil.errors import InputError
from hil.tomlfile import Mistake, load


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Relay(Strict):
    driver: Literal["relay"]
    port: str = Field(description="where it is")


class Bench(Strict):
    driver: Literal["scpi", "visa"]
    volts: list[float] = Field(min_length=1)

    @model_validator(mode="after")
    def _rising(self) -> Bench:
        for index, volts in enumerate(self.volts[1:], start=1):
            if volts < self.volts[index - 1]:
                raise Mistake(f"expected rising volts, got {volts:g}", "volts", index)
        return self


class File(Strict):
    supply: Annotated[Relay | Bench, Field(discriminator="driver")]
    others: list[Annotated[Relay | Bench, Field(discriminator="driver")]] = []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[supply]\ndriver = "relay"\nport = 1', "3: supply.port: expected a text, got 1"),
        (
            '[supply]\ndriver = "relay"',
            "1: supply.port: this key is required and is missing; expected where it is",
        ),
        ('[supply]\ndriver = "scpi"\nvolt = [1]', '3: supply.volt: unknown key; did you mean "volts"?'),
        (
            '[supply]\ndriver = "relay"\nx = 1\nport = ""',
            "3: supply.x: unknown key; known keys: driver, port",
        ),
        (
            '[supply]\ndriver = "visa"\nvolts = [\n1, 2,\n"3"]',
            '5: supply.volts[2]: expected a number, got "3"',
        ),
        (
            '[supply]\ndriver = "visa"\nvolts = [\n1, 2,\n1.5]',
            "5: supply.volts[2]: expected rising volts, got 1.5",
        ),
        (
            '[supply]\ndriver = "visa"\nvolts = []',
            "3: supply.volts: list should have at least 1 item after validation",
        ),
        ('[supply]\ndriver = "ups"', "1: supply: input tag 'ups' found using 'driver' does not match any"),
        (
            'supply = { driver = "relay", port = "x" }\nothers = [\n{ driver = "relay", port = "y" },\n'
            '{ driver = "scpi", volts = [1.0], port = "z" },\n]',
            "4: others[1].port: unknown key; known keys: driver, volts",
        ),
    ],
)
def test_a_key_in_a_union_of_tables_is_named_as_it_is_written(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "file.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load(path, File)
    assert f"{path}:{expected}" in str(caught.value)
