"""Intel HEX, as linkers and imgtool write it, read strictly and fast.

Record types 00 (data), 01 (end), 02 and 04 (segment and linear base) and 03, 05 (start address, ignored); Intel
"Hexadecimal Object File Format Specification" rev. A. Whatever else is found is an error with its line.
"""

from __future__ import annotations

from pathlib import Path

from hil.errors import InputError

SUFFIXES = (".hex", ".ihex", ".ihx")
FILE_LIMIT = 64 << 20
BINARY_LIMIT = 16 << 20


def read_image(path: Path, address: int | None = None) -> list[tuple[int, bytes]]:
    """The stretches of memory in a file, as (address, bytes) in rising order without overlap.

    A `.hex` file brings its addresses; anything else is raw bytes that go to `address`. Raises InputError for a file
    that cannot be read, is broken or empty, and for an address that is missing or too much.
    """
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise InputError(f"{path}: larger than {FILE_LIMIT >> 20} MB, no firmware is")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix.lower() in SUFFIXES:
        if address is not None:
            raise InputError(
                f"{path}: a HEX file brings its own addresses, so 0x{address:x} cannot be asked for"
            )
        return parse_hex(data, str(path))
    if address is None:
        raise InputError(f"{path}: a raw file needs an address to go to")
    if not data:
        raise InputError(f"{path}: is empty")
    return [(address, data)]


def parse_hex(data: bytes, name: str = "HEX data") -> list[tuple[int, bytes]]:
    """The stretches in Intel HEX text; raises InputError naming `name` and the line."""
    pieces: list[tuple[int, bytes]] = []
    base = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.strip()
        if not text:
            continue
        record = _record(text, f"{name}:{number}")
        offset, kind, payload = int.from_bytes(record[1:3], "big"), record[3], record[4:-1]
        if kind == 0:
            if payload:
                pieces.append((base + offset, payload))
        elif kind == 1:
            return _joined(pieces, name)
        elif kind in (2, 4):
            if len(payload) != 2:
                raise InputError(f"{name}:{number}: a base address record needs 2 bytes, has {len(payload)}")
            base = int.from_bytes(payload, "big") << (4 if kind == 2 else 16)
        elif kind not in (3, 5):
            raise InputError(f"{name}:{number}: unknown record type {kind:02x}")
    raise InputError(f"{name}: has no end record, the file is truncated")


def binary_of(data: bytes, name: str = "HEX data") -> bytes:
    """The one stretch of bytes that Intel HEX text describes; gaps are filled with 0xff, as in erased flash.

    Raises InputError as `parse_hex` does, and when the data span more than BINARY_LIMIT bytes.
    """
    pieces = parse_hex(data, name)
    first, last = pieces[0][0], pieces[-1][0] + len(pieces[-1][1])
    if last - first > BINARY_LIMIT:
        raise InputError(f"{name}: the data spans {last - first} bytes, more than {BINARY_LIMIT}")
    image = bytearray(b"\xff" * (last - first))
    for address, payload in pieces:
        image[address - first : address - first + len(payload)] = payload
    return bytes(image)


def _record(text: bytes, where: str) -> bytes:
    if text[:1] != b":":
        raise InputError(
            f"{where}: not Intel HEX, a line starts with {text[:1].decode('ascii', 'replace')!r}"
        )
    try:
        record = bytes.fromhex(text[1:].decode("ascii"))
    except ValueError:
        raise InputError(
            f"{where}: not Intel HEX, there is something else than pairs of hex digits"
        ) from None
    if len(record) < 5 or len(record) != record[0] + 5:
        raise InputError(f"{where}: the record's length byte does not fit the line")
    if sum(record) & 0xFF:
        raise InputError(f"{where}: the record's checksum is wrong")
    return record


def _joined(pieces: list[tuple[int, bytes]], name: str) -> list[tuple[int, bytes]]:
    """Sort and join what touches; overlaps are refused."""
    runs: list[tuple[int, bytearray]] = []
    for address, data in sorted(pieces, key=lambda piece: piece[0]):
        if runs and address < runs[-1][0] + len(runs[-1][1]):
            raise InputError(f"{name}: two records write address 0x{address:08x}")
        if runs and address == runs[-1][0] + len(runs[-1][1]):
            runs[-1][1].extend(data)
        else:
            runs.append((address, bytearray(data)))
    if not runs:
        raise InputError(f"{name}: holds no data")
    if runs[-1][0] + len(runs[-1][1]) > 1 << 32:
        raise InputError(f"{name}: goes past the 32-bit address space")
    return [(address, bytes(data)) for address, data in runs]
