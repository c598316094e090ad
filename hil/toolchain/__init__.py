"""Builds the bundled firmware with the pinned compiler that ``pip install`` brought along (ziglang from PyPI).

>>> from hil.toolchain import build
>>> firmware = build()                      # bootloader and application, production
>>> firmware.boot.hex_path, firmware.boot.sha256
"""

from hil.toolchain.builder import FirmwareBuild, Program, build
from hil.toolchain.variants import APP_DEFECTS, BOOT_DEFECTS, DEFECTS, VARIANTS, Variant

__all__ = [
    "APP_DEFECTS",
    "BOOT_DEFECTS",
    "DEFECTS",
    "VARIANTS",
    "FirmwareBuild",
    "Program",
    "Variant",
    "build",
]
