"""Imports run one way: `plugin`, `cli` -> `run` -> `rig` -> drivers, with the virtual bench below the wire.

`serve` stands beside `run`: `cli` -> `serve` -> the virtual bench, of which it is the outside.

The files are read, not imported, so that imports inside functions count too. Imports for type checking alone do not:
they are never made.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import hil

LEAVES = {
    "hil.airtime",
    "hil.binomial",
    "hil.bundled",
    "hil.errors",
    "hil.filelock",
    "hil.hexfile",
    "hil.tomlfile",
    "hil.wire",
}
"""What any part may import, since these import nothing of hil but errors."""

WIRE_STACKS = {"bleak", "bumble", "pyocd", "pyvisa", "pyvisa_py", "serial"}


@dataclass(frozen=True, order=True)
class Import:
    """`importer` imports `imported`, both by their full names; `imported` is a module, not a name in one."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def imports_of(package: Path) -> list[Import]:
    """All imports that the modules of a package make when they are imported or run."""
    files = {_name(path, package): path for path in package.rglob("*.py")}
    found: list[Import] = []
    for name, path in files.items():
        parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in _executed(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Import):
                found += [Import(name, alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(node, parent)
                for alias in node.names:
                    submodule = f"{base}.{alias.name}"
                    found.append(Import(name, submodule if submodule in files else base, node.lineno))
    return sorted(found)


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _absolute(node: ast.ImportFrom, parent: str) -> str:
    if node.level == 0:
        return node.module or ""
    parts = parent.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below `node`, without what stands under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from _executed(other)
            continue
        yield child
        yield from _executed(child)


def within(module: str, *packages: str) -> bool:
    """Whether a module is one of these packages, or in one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def cycle(imports: list[Import]) -> list[str] | None:
    """A ring of parts that import each other, or None. A part is a package or a module directly in the top package."""
    graph: dict[str, set[str]] = {}
    for made in imports:
        importer, imported = _part(made.importer), _part(made.imported)
        if (
            importer != imported and imported != made.importer.partition(".")[0]
        ):  # hil itself holds the version
            graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        return ring
    return None


def _part(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.fixture(scope="module")
def every() -> list[Import]:
    """All imports of hil, of its own modules and of others."""
    found = imports_of(Path(hil.__file__).parent)
    assert len({made.importer for made in found}) > 100
    return found


@pytest.fixture(scope="module")
def own(every: list[Import]) -> list[Import]:
    """The imports of hil's own modules."""
    return [made for made in every if within(made.imported, "hil")]


def told(imports: list[Import]) -> list[str]:
    """Imports as lines for a failure to show."""
    return [str(made) for made in imports]


def test_leaves_import_nothing_but_errors(own: list[Import]) -> None:
    wrong = [
        made
        for made in own
        for leaf in LEAVES
        if within(made.importer, leaf) and not within(made.imported, leaf, "hil.errors")
    ]
    assert told(wrong) == []


def test_only_the_rig_and_what_opens_it_import_the_virtual_bench(own: list[Import]) -> None:
    wrong = [
        made
        for made in own
        if within(made.imported, "hil.virtual")
        and not within(made.importer, "hil.initiator", "hil.rig", "hil.serve", "hil.virtual")
    ]
    assert told(wrong) == []


def test_only_the_command_and_the_initiator_import_the_served_bench(own: list[Import]) -> None:
    wrong = [
        made
        for made in own
        if within(made.imported, "hil.serve")
        and not within(made.importer, "hil.cli", "hil.initiator", "hil.serve")
    ]
    assert told(wrong) == []


def test_the_served_bench_drives_nothing_itself(own: list[Import]) -> None:
    below = ("hil.serve", "hil.virtual", "hil.rig", "hil.ble.btsnoop", *LEAVES)
    wrong = [made for made in own if within(made.importer, "hil.serve") and not within(made.imported, *below)]
    assert told(wrong) == []


def test_the_laboratory_says_which_bench_and_drives_none(own: list[Import]) -> None:
    wrong = [
        made
        for made in own
        if within(made.importer, "hil.lab") and not within(made.imported, "hil.lab", "hil.rig", *LEAVES)
    ]
    wrong += [
        made
        for made in own
        if within(made.imported, "hil.lab") and not within(made.importer, "hil.cli", "hil.lab", "hil.run")
    ]
    assert told(wrong) == []


def test_the_virtual_bench_imports_no_part_above_the_wire(own: list[Import]) -> None:
    wrong = [
        made
        for made in own
        if within(made.importer, "hil.virtual") and not within(made.imported, "hil.virtual", *LEAVES)
    ]
    assert told(wrong) == []


def test_wire_stacks_meet_the_virtual_bench_in_its_wire_only(every: list[Import]) -> None:
    meetings = [
        made
        for made in every
        if within(made.importer, "hil.virtual") and made.imported.partition(".")[0] in WIRE_STACKS
    ]
    assert meetings
    assert told([made for made in meetings if not within(made.importer, "hil.virtual.wire")]) == []


def test_the_report_imports_nothing_that_runs(own: list[Import]) -> None:
    wrong = [
        made
        for made in own
        if within(made.importer, "hil.report")
        and not within(
            made.imported,
            "hil.report",
            "hil.errors",
            "hil.bundled",
            "hil.catalogue.requirements",
            "hil.catalogue.coverage",
        )
    ]
    assert told(wrong) == []


def test_history_and_release_read_records_and_requirements_only(own: list[Import]) -> None:
    below = (
        "hil.history",
        "hil.release",
        "hil.report",
        "hil.catalogue.requirements",
        "hil.catalogue.coverage",
        "hil.toolchain",
        *LEAVES,
    )
    wrong = [
        made
        for made in own
        if within(made.importer, "hil.history", "hil.release")
        and made.imported != "hil"  # which holds the version
        and not within(made.imported, *below)
    ]
    assert told(wrong) == []


def test_requirements_and_coverage_import_nothing_that_runs(own: list[Import]) -> None:
    wrong = [
        made
        for made in own
        if within(
            made.importer, "hil.catalogue.requirements", "hil.catalogue.coverage", "hil.catalogue.brief"
        )
        and not within(made.imported, "hil.catalogue", *LEAVES)
    ]
    assert told(wrong) == []


def test_no_part_imports_one_that_imports_it(own: list[Import]) -> None:
    ring = cycle(own)
    assert ring is None, " <- ".join(ring)


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    part = tmp_path / "made" / "part"
    part.mkdir(parents=True)
    (tmp_path / "made" / "__init__.py").write_text("")
    (tmp_path / "made" / "other.py").write_text("from made.part import inner\n")
    (part / "__init__.py").write_text("from . import inner\n")
    (part / "inner.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import never\nelse:\n    import always\n"
        "def late():\n    from ..other import name\n"
        "class Held:\n    import os.path\n"
    )
    found = imports_of(tmp_path / "made")
    assert told(found) == [
        "made.other:1 imports made.part.inner",
        "made.part:1 imports made.part.inner",
        "made.part.inner:5 imports always",
        "made.part.inner:7 imports made.other",
        "made.part.inner:9 imports os.path",
        "made.part.inner:1 imports typing",
    ]
    assert set(cycle(found) or []) == {"made.other", "made.part"}
