"""The JSON schema of rig files for editors: completion, help on a key, and a mark under what is wrong while typing.

It is made from the models, so it cannot fall behind, and is written in Draft 4 of JSON Schema: what Taplo, the language
server behind Even Better TOML, knows in full (https://taplo.tamasfe.dev/configuration/developing-schemas.html). An
editor looks at one file and not at what it includes, so no key is required; and wherever a number may stand, a text
that is one environment variable may.
"""

from __future__ import annotations

import json
from typing import Any

from hil.rig.schema import RigFile

DRAFT = "http://json-schema.org/draft-04/schema#"
VARIABLE = r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}$"
_NOT_IN_DRAFT_4 = ("title", "discriminator", "const")


def text() -> str:
    """The schema as it is kept in rigs/rig.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The schema of a rig file, or of a part of one."""
    made = RigFile.model_json_schema(by_alias=True)
    definitions = {name: _changed(each) for name, each in made.pop("$defs", {}).items()}
    return {"$schema": DRAFT, "title": "hil rig file", **_changed(made), "definitions": definitions}


def _changed(node: dict[str, Any]) -> dict[str, Any]:
    """One schema of Draft 2020-12 as pydantic writes it, in Draft 4."""
    node = dict(node)
    # TOML has no null: a key is there, or it is not.
    for word in ("anyOf", "oneOf"):
        if word in node:
            members = [each for each in node.pop(word) if each.get("type") != "null"]
            if len(members) == 1:
                node = {**members[0], **node}
            else:
                node["anyOf"] = [_changed(each) for each in members]
    if "const" in node:
        node["enum"] = [node["const"]]
    required = node.pop("required", [])
    if "default" in node and node["default"] is None:
        del node["default"]
    if "$ref" in node:
        reference = {"$ref": node.pop("$ref").replace("#/$defs/", "#/definitions/")}
        # Draft 4 knows nothing beside a reference.
        node = {"allOf": [reference], **node} if node else reference
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in node and not isinstance(node[exclusive], bool):
            node[bound], node[exclusive] = node[exclusive], True
    if isinstance(node.get("items"), dict):
        node["items"] = _changed(node["items"])
    if isinstance(node.get("additionalProperties"), dict):
        node["additionalProperties"] = _changed(node["additionalProperties"])
    if "properties" in node:
        node["properties"] = {
            name: _described(_changed(each), name in required) for name, each in node["properties"].items()
        }
    node = {key: value for key, value in node.items() if key not in _NOT_IN_DRAFT_4}
    return _with_variables(node)


def _described(node: dict[str, Any], required: bool) -> dict[str, Any]:
    if not required:
        return node
    about = node.get("description", "")
    return {**node, "description": f"{about} (required)" if about else "required"}


def _with_variables(node: dict[str, Any]) -> dict[str, Any]:
    variable = {"type": "string", "pattern": VARIABLE, "description": "an environment variable"}
    kind = node.get("type")
    if "enum" in node:
        told = {key: value for key, value in node.items() if key in ("description", "default")}
        choice = {key: value for key, value in node.items() if key not in told}
        return {"anyOf": [choice, variable], **told}
    if kind in ("integer", "number", "boolean"):
        return {**node, "type": [kind, "string"], "pattern": VARIABLE}
    if kind == "string" and "pattern" in node:
        return {**node, "pattern": rf"{node['pattern']}|\$\{{"}
    if kind == "string" and "format" in node:
        told = {key: value for key, value in node.items() if key in ("description", "default")}
        return {"anyOf": [{key: value for key, value in node.items() if key not in told}, variable], **told}
    return node
