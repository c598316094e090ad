"""Reads what the linker made: the loadable bytes, the sections' sizes and the symbols of a 32-bit little-endian ELF."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from hil.errors import InputError

_PT_LOAD = 1
_SHT_SYMTAB = 2
_SHF_ALLOC = 2
_SHT_NOBITS = 8


@dataclass(frozen=True)
class ElfContent:
    """`data` is the flash content from `address` on, gaps filled with 0xFF; sizes in bytes."""

    address: int
    data: bytes
    ram: int
    symbols: dict[str, tuple[int, int]]


def read_elf(path: Path) -> ElfContent:
    """Reads an ELF that our linker scripts made.

    Raises:
        InputError: not a 32-bit little-endian ELF, or truncated.
    """
    raw = path.read_bytes()
    try:
        return _parse(raw)
    except (struct.error, IndexError, ValueError) as error:
        raise InputError(f"{path}: not a 32-bit little-endian ELF ({error})") from error


def _parse(raw: bytes) -> ElfContent:
    if raw[:6] != b"\x7fELF\x01\x01":
        raise ValueError("wrong magic")
    program_offset, section_offset = struct.unpack_from("<II", raw, 28)
    program_size, program_count, section_size, section_count = struct.unpack_from("<HHHH", raw, 42)
    pieces: list[tuple[int, bytes]] = []
    for index in range(program_count):
        kind, offset, _, physical, in_file, _, _, _ = struct.unpack_from(
            "<8I", raw, program_offset + index * program_size
        )
        if kind == _PT_LOAD and in_file:
            pieces.append((physical, raw[offset : offset + in_file]))
    if not pieces:
        raise ValueError("nothing to load")
    start = min(address for address, _ in pieces)
    end = max(address + len(data) for address, data in pieces)
    image = bytearray(b"\xff" * (end - start))
    for address, data in pieces:
        image[address - start : address - start + len(data)] = data
    ram = 0
    symbols: dict[str, tuple[int, int]] = {}
    for index in range(section_count):
        _, kind, flags, address, offset, size, link, _, _, entry = struct.unpack_from(
            "<10I", raw, section_offset + index * section_size
        )
        if flags & _SHF_ALLOC and 0x20000000 <= address < 0x30000000:
            ram += size
        if kind == _SHT_SYMTAB and entry:
            names_offset = struct.unpack_from("<10I", raw, section_offset + link * section_size)[4]
            for at in range(offset, offset + size, entry):
                name, value, length, info, _, where = struct.unpack_from("<IIIBBH", raw, at)
                if where and info & 15 in (1, 2):
                    text = raw[names_offset + name : raw.index(b"\0", names_offset + name)].decode()
                    symbols[text] = (value & ~1 if info & 15 == 2 else value, length)
    return ElfContent(start, bytes(image), ram, symbols)
