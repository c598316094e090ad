"""Build hook of hatchling: compiles the native core, and takes the bundled files into wheels.

It needs no system compiler: ziglang comes from PyPI as a build requirement.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLED = ("firmware", "rigs", "testplans")


class HilBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before an editable install and before a wheel is put together."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the core beside its sources; tag a wheel with the platform it is for."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        native = load_build(root / "hil" / "virtual" / "native" / "build.py")
        library = native.build()
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{native.target()[1]}"
        if version != "standard":
            return  # an editable install reads the checkout: copies of its files would go stale
        # The library is ignored by git, so hatchling would leave it out.
        build_data["artifacts"].append(str(library.relative_to(root)))
        for name in BUNDLED:
            if (root / name).is_dir():
                build_data["force_include"][str(root / name)] = f"hil/_bundled/{name}"


def load_build(path: Path) -> ModuleType:
    """The build module by its path: hil's dependencies are not there while it is built."""
    spec = importlib.util.spec_from_file_location("hil_native_build", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
