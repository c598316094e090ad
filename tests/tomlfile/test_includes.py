"""Files that include files: what they come to together, and where a mistake is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from hil.errors import InputError
from hil.tomlfile import compose, validate


class Slot(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    size: int = Field(ge=1)


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = ""
    depth: int = 0
    slots: list[Slot] = []


class File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    include: list[str] = []
    title: str = ""
    table: Table = Table()


def write(folder: Path, **files: str) -> Path:
    """Write files and return the path of the first."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / f"{next(iter(files))}.toml"


def error_of(path: Path) -> str:
    """What is said about the file, without the folder."""
    with pytest.raises(InputError) as caught:
        validate(compose(path, shelf=path.parent / "shelf"), File)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_tables_are_merged_and_the_including_file_counts_more(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        top='include = ["one.toml", "sub/two.toml"]\n[table]\nname = "top"\n',
        one='title = "one"\n[table]\nname = "one"\ndepth = 1\nslots = [{ size = 1 }, { size = 2 }]\n',
        sub__two='include = ["three.toml"]\ntitle = "two"\n[[table.slots]]\nsize = 3\n',
        sub__three='title = "three"\n[table]\ndepth = 3\n',
    )
    found = validate(compose(path), File)
    assert found.include == ["one.toml", "sub/two.toml"]
    assert found.title == "two"  # a later include counts more, and more than what it includes
    assert found.table.name == "top"
    assert found.table.depth == 3
    assert [slot.size for slot in found.table.slots] == [3]  # as a whole


def test_a_file_may_be_included_by_two_ways(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        top='include = ["a.toml", "b.toml"]',
        a='include = ["c.toml"]',
        b='include = ["c.toml"]',
        c='title = "c"',
    )
    assert validate(compose(path), File).title == "c"


def test_what_comes_with_hil_is_included_by_its_name_there(tmp_path: Path) -> None:
    path = write(tmp_path, top='include = ["hil:common/part.toml"]', shelf__common__part='title = "part"')
    assert validate(compose(path, shelf=tmp_path / "shelf"), File).title == "part"


@pytest.mark.parametrize("name", ["hil:../top.toml", "hil:/etc/passwd", "hil:a/../../top.toml"])
def test_the_shelf_of_hil_is_not_left(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, top=f'include = ["{name}"]')
    assert f'top.toml:1: include[0]: "{name}": expected a file that comes with hil' in error_of(path)


def test_a_mistake_is_told_where_it_is_written(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        top='# top\ninclude = [\n  "part.toml",\n]\n[table]\nname = 1\n',
        part='[table]\n\ndepth = "deep"\nslots = [\n  { size = 1 },\n  { size = 0 },\n]\nnme = "x"\n',
    )
    assert error_of(path).splitlines() == [
        "top.toml:6: table.name: expected a text, got 1",
        'part.toml:3: table.depth: expected a whole number, got "deep"',
        "part.toml:6: table.slots[1].size: expected a number of at least 1, got 0",
        'part.toml:8: table.nme: unknown key; did you mean "name"?',
    ]


def test_a_value_that_was_replaced_is_no_mistake(tmp_path: Path) -> None:
    path = write(tmp_path, top='include = ["part.toml"]\ntable = { depth = 1 }', part='table.depth = "x"')
    assert validate(compose(path), File).table.depth == 1


def test_a_table_in_place_of_a_value_and_the_other_way_round(tmp_path: Path) -> None:
    path = write(
        tmp_path, top='include = ["part.toml"]\n[title]\nx = 1', part='title = "x"\n[table]\ndepth = 1'
    )
    assert error_of(path).startswith("top.toml:2: title: expected a text, got")
    path = write(tmp_path, top='include = ["part.toml"]\ntable = 1', part="[table]\ndepth = 1")
    assert error_of(path).startswith("top.toml:2: table: expected a table")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"top": 'include = ["no.toml"]'}, 'top.toml:1: include[0]: "no.toml": no such file: no.toml'),
        (
            {"top": 'include = ["b.toml"]', "b": '\ninclude = ["top.toml"]'},
            'b.toml:2: include[0]: "top.toml": files include each other: top.toml -> b.toml -> top.toml',
        ),
        (
            {"top": 'include = ["./x/../top.toml"]', "x/y": ""},
            'top.toml:1: include[0]: "./x/../top.toml": files include each other: top.toml -> top.toml',
        ),
        ({"top": 'include = "b.toml"'}, 'top.toml:1: include: expected a list of files, got "b.toml"'),
        (
            {"top": 'include = [\n"b.toml",\n3]', "b": ""},
            "top.toml:3: include[1]: expected the path of a file",
        ),
        ({"top": 'include = ["b.toml"]', "b": "title = "}, "b.toml:1: not valid TOML: Invalid value"),
        ({"top": 'include = ["."]'}, 'include[0]: ".": no such file'),
        ({"top": 'include = ["a\\u0000b"]'}, 'include[0]: "a\\x00b": not the name of a file'),
        ({"top": 'include = ["${HIL_UNSET_FOR_TEST}/b.toml"]'}, "variable HIL_UNSET_FOR_TEST is not set"),
    ],
)
def test_an_include_that_cannot_be_followed(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    error = error_of(write(tmp_path, **files))
    assert expected in error
    assert "\n" not in error


def test_includes_end_at_eight_deep(tmp_path: Path) -> None:
    chain = {f"f{n}": f'include = ["f{n + 1}.toml"]' for n in range(8)}
    assert compose(write(tmp_path, **chain, f8="title = 'end'")).data["title"] == "end"
    error = error_of(write(tmp_path, **chain, f8='include = ["f9.toml"]', f9=""))
    assert error == 'f8.toml:1: include[0]: "f9.toml": expected at most 8 includes inside each other: f9.toml'


def test_there_are_at_most_32_files(tmp_path: Path) -> None:
    # Each includes the next twice: 2**8 files by way of 9.
    files = {f"f{n}": f'include = ["f{n + 1}.toml", "f{n + 1}.toml"]' for n in range(8)}
    error = error_of(write(tmp_path, **files, f8=""))
    assert "expected at most 32 files in all: f" in error


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.toml")
    assert "pipe.toml: not a file" in error_of(tmp_path / "pipe.toml")
