"""Where things lie, on both machines: code from 0 (flash; ZBT SSRAM1), data from 0x2000_0000 (RAM; ZBT SSRAM2).

The nRF52840 has 1 MB and 256 KB there, the MPS2 board with AN386 4 MB and 8 MB, so one binary fits both.
"""

from __future__ import annotations

RESULTS = 0x2000_8000
"""Here the program leaves what is compared."""
RESULTS_SIZE = 0x3_7000
PROGRESS = 0x2003_F000
"""A word that counts what was done."""
FINISHED = 0x600D_600D
"""What the word after PROGRESS holds at the end of a program that went through."""
NOWHERE = 0x6000_0000
"""An address with nothing at it on either machine: a bus error."""

LINKER_SCRIPT = """
SECTIONS {
  . = 0;
  .text : { KEEP(*(.vectors)) *(.text*) *(.cases*) *(.rodata*) }
  .bss 0x20000400 (NOLOAD) : { *(.data*) *(.bss*) *(COMMON) }
  /DISCARD/ : { *(.ARM*) *(.comment*) }
}
"""
