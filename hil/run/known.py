"""The cases of a plan as they stand in its test modules: what each needs, its stages, its instances."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.rig import files as rig_files
from hil.run import plan as plans
from hil.run.asked import Asked, folder_of
from hil.run.cases import CaseInfo
from hil.run.collect import collect
from hil.run.plan import Plan

FIXTURE_STAGES = {"dut": ("provision", "boot")}
"""Stages that a fixture adds before the case begins (hil.plugin)."""


@dataclass(frozen=True)
class KnownCase:
    """A case: what it says of itself, and what its function says of it."""

    info: CaseInfo
    module: str
    function: str
    stages: tuple[str, ...]
    instances: tuple[str, ...]

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.info.id,
            "sentence": self.info.sentence,
            "evidence_for": list(self.info.evidence_for),
            "needs": list(self.info.needs),
            "controls": [vars(control) for control in self.info.controls],
            "stages": list(self.stages),
            "instances": list(self.instances),
            "module": self.module,
        }


def known(plan_name: str) -> tuple[Plan, list[KnownCase]]:
    """The plan and its cases, in the order of their modules. Nothing is run. Raises InputError."""
    plan = plans.load(plan_name)
    folder = folder_of(plan_name)
    collected = collect(folder, plan, Asked(rig=rig_files.DEFAULT, plan=plan_name))
    found: dict[str, tuple[CaseInfo, str, str, list[str]]] = {}
    for nodeid, (instance, info) in collected.items():
        module, _, function = nodeid.partition("::")
        entry = found.setdefault(info.id, (info, Path(module).name, function.partition("[")[0], []))
        entry[3].append(instance)
    stages: dict[str, dict[str, tuple[str, ...]]] = {}
    cases = []
    for info, module, function, instances in found.values():
        if module not in stages:
            stages[module] = stages_of((folder / module).read_text(encoding="utf-8"))
        told = stages[module].get(function, ())
        cases.append(KnownCase(info, module, function, told, tuple(instances)))
    return plan, cases


def stages_of(source: str) -> dict[str, tuple[str, ...]]:
    """The stages of each test function of a module, in their order: those of its fixtures, and each `with stage(...)`
    of its own and of the module's functions that it calls. What is put in at run time is shown as in its f-string.
    """
    functions = {
        node.name: node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found = {}
    for name, node in functions.items():
        if not name.startswith("test"):
            continue
        stages = [stage for argument in _arguments(node) for stage in FIXTURE_STAGES.get(argument, ())]
        stages += _stages(node, functions, {name})
        found[name] = tuple(dict.fromkeys(stages))
    return found


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _arguments(node: _Function) -> list[str]:
    names = [argument.arg for argument in node.args.args]
    # Every fixture that stands for the running device asks for `dut` itself.
    return ["dut"] if {"dut", "update", "probe"} & set(names) else []


def _stages(node: ast.AST, functions: dict[str, _Function], seen: set[str]) -> list[str]:
    stages = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name):
            if child.func.id == "stage" and child.args:
                stages.append(_text(child.args[0]))
            elif child.func.id in functions and child.func.id not in seen:
                stages += _stages(functions[child.func.id], functions, seen | {child.func.id})
        stages += _stages(child, functions, seen)
    return stages


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                parts.append("{" + ast.unparse(part.value) + "}")
            else:
                parts.append(_text(part))
        return "".join(parts)
    return "{" + ast.unparse(node) + "}"
