"""Bills of materials, CycloneDX 1.6: of the firmware that was tested, and of the framework that tested it."""

from __future__ import annotations

from datetime import datetime
from importlib import metadata
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from hil import __version__

_FIRMWARE_PARTS = ("zcbor", "ziglang")
"""Distributions whose code is in the firmware: the CBOR codec, and Zig's standard library with its cryptography."""


def firmware(programs: dict[str, str], when: datetime) -> str:
    """Of the bundled firmware; `programs` are the SHA-256 of its binaries by name."""
    parts = [
        Component(
            name=f"hil firmware: {name}",
            type=ComponentType.FIRMWARE,
            version=__version__,
            bom_ref=f"firmware-{name}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=value)],
        )
        for name, value in sorted(programs.items())
    ]
    inside = [_distribution(name, "compiled into the firmware") for name in _FIRMWARE_PARTS]
    return _written("firmware", "bundled firmware", parts + inside, when, "".join(sorted(programs.values())))


def framework(when: datetime) -> str:
    """Of every distribution in this Python environment."""
    names = sorted(
        {str(each.metadata["Name"]) for each in metadata.distributions() if each.metadata["Name"]},
        key=str.lower,
    )
    return _written("framework", "hil", [_distribution(name) for name in names], when, __version__)


def _distribution(name: str, description: str | None = None) -> Component:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = "not installed"
    return Component(
        name=name,
        type=ComponentType.LIBRARY,
        version=version,
        bom_ref=f"pypi-{name}",
        description=description,
        purl=PackageURL("pypi", None, name.lower(), version),
    )


def _written(kind: str, subject: str, components: list[Component], when: datetime, unique: str) -> str:
    bom = Bom(
        components=components, serial_number=uuid5(NAMESPACE_URL, f"hil {kind} {unique} {when.isoformat()}")
    )
    bom.metadata.timestamp = when
    root = Component(name=subject, type=ComponentType.APPLICATION, version=__version__, bom_ref=kind)
    bom.metadata.component = root
    bom.register_dependency(root, components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
