"""Reads a TOML file into a typed model; what is wrong in it comes out as one line for each mistake.

Such a line names the file, the line in it, the key, what was expected and what was found:

    rigs/desk.toml:14: probe.freqency: unknown key; did you mean "frequency"?
    rigs/desk.toml:22: supply.max_volts: expected a number greater than 0, got -1

`load` reads one file. `compose` reads one with the files that it includes and with environment variables filled in,
for `validate` to check; the lines of mistakes are those of the file that a key is really written in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from hil.errors import InputError
from hil.tomlfile.document import Document, Layer, Place
from hil.tomlfile.includes import compose, document_line
from hil.tomlfile.mistakes import Mistake, validate
from hil.tomlfile.source import MAX_BYTES, read

__all__ = ["MAX_BYTES", "Document", "Layer", "Mistake", "Place", "compose", "load", "mistake", "validate"]

Model = TypeVar("Model", bound=BaseModel)


def load(path: Path, model: type[Model]) -> Model:
    """Read `path`, which includes nothing, and check it against `model`.

    Raises InputError with one line for each mistake in the file.
    """
    layer = read(path)
    return validate(Document(path, layer.data, (layer,)), model)


def mistake(document: Document, place: Place, text: str) -> InputError:
    """The error for a mistake that no model can know of, such as a file that is not there."""
    return InputError(document_line(document, place, text))
