"""The instruction programs of a seed, one for each class."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.differential.case import Case
from tests.differential.instructions import arithmetic, control, data_processing, floating, memory
from tests.differential.program import Program, random_case
from tests.differential.template import Filler

SEQUENCE_LENGTH = 12


def _templates(
    stream: random.Random, templates: Sequence[str], each: int, *, floats: bool = False
) -> list[Case]:
    return [
        random_case(stream, Filler(stream)(template), floats=floats)
        for template in templates
        for _ in range(each)
    ]


def _data_processing(stream: random.Random) -> Program:
    return Program("data_processing", tuple(_templates(stream, data_processing.TEMPLATES, 14)))


def _arithmetic(stream: random.Random) -> Program:
    return Program("arithmetic", tuple(_templates(stream, arithmetic.TEMPLATES, 14)))


def _control(stream: random.Random) -> Program:
    cases = _templates(stream, control.TEMPLATES, 8)
    for _ in range(5):
        cases += [random_case(stream, text) for text in control.blocks(stream)]
    return Program("control", tuple(cases))


def _sequences(stream: random.Random) -> Program:
    templates = (*data_processing.TEMPLATES, *arithmetic.TEMPLATES)
    texts = [
        "\n".join(Filler(stream)(stream.choice(templates)) for _ in range(SEQUENCE_LENGTH))
        for _ in range(600)
    ]
    return Program("sequences", tuple(random_case(stream, text) for text in texts))


def _memory(stream: random.Random) -> Program:
    made = [maker(stream) for maker in memory.MAKERS for _ in range(140)]
    return Program("memory", tuple(random_case(stream, *one) for one in made), windows=True)


def _float_arithmetic(stream: random.Random) -> Program:
    return Program(
        "float_arithmetic", tuple(_templates(stream, floating.TEMPLATES, 17, floats=True)), floats=True
    )


def _float_memory(stream: random.Random) -> Program:
    cases = [random_case(stream, *floating.memory(stream), floats=True) for _ in range(400)]
    return Program("float_memory", tuple(cases), floats=True, windows=True)


PROGRAMS: dict[str, Callable[[random.Random], Program]] = {
    "data_processing": _data_processing,
    "arithmetic": _arithmetic,
    "control": _control,
    "sequences": _sequences,
    "memory": _memory,
    "float_arithmetic": _float_arithmetic,
    "float_memory": _float_memory,
}


def program(name: str, seed: int) -> Program:
    """The program of a class for a seed: the same on every machine."""
    return PROGRAMS[name](random.Random(f"{seed}/{name}"))
