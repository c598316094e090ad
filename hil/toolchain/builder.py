"""Builds bootloader and application: bit-reproducible, cached by content, in parallel.

Every object is kept in the cache under the SHA-256 of all it depends on (its source, every header, the flags,
the compiler's version), and so is every finished program. A second build of the same sources runs no compiler.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path

from intelhex import IntelHex

from hil import bundled
from hil.errors import InputError
from hil.toolchain import compiler, sources
from hil.toolchain.elf import read_elf
from hil.toolchain.variants import APP_DEFECTS, BOOT_PARTITION, DEFECTS, VARIANTS

#: Called with what is being done, how many steps are finished, and how many there are.
Progress = Callable[[str, int, int], None]

_C_INCLUDES = ("-I.", "-isystem", "libc")


@dataclass(frozen=True)
class Program:
    """One linked program. `flash` and `ram` are bytes (flash content, static RAM); `sha256` is of the binary."""

    name: str
    elf_path: Path
    bin_path: Path
    hex_path: Path
    address: int
    flash: int
    ram: int
    sha256: str

    @property
    def data(self) -> bytes:
        """The flash content, from `address` on."""
        return self.bin_path.read_bytes()


@dataclass(frozen=True)
class FirmwareBuild:
    """What a build made, and from what. `application` is None when the source tree has none."""

    variant: str
    defect: str | None
    compiler: str
    boot: Program
    application: Program | None

    @property
    def production(self) -> bool:
        """True when no check was left out."""
        return self.defect is None


def default_cache() -> Path:
    """Where objects and programs are kept: $HIL_CACHE_DIR, else the user's cache folder."""
    chosen = os.environ.get("HIL_CACHE_DIR")
    if chosen:
        return Path(chosen) / "firmware"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hil" / "firmware"


def build(
    variant: str = "p256",
    *,
    out: Path | None = None,
    defect: str | None = None,
    source: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    jobs: int = 2,
    application: bool = True,
) -> FirmwareBuild:
    """Builds the firmware and returns where it is.

    Args:
        variant: a name in ``VARIANTS``: the bootloader's signature algorithm, and whether it decrypts.
        out: also copy the results (elf, bin, hex, build.json) into this folder.
        defect: a name in ``DEFECTS``: a bootloader or an application for tests, with that check left out. Never ship
            it; it says so itself on its console at each start.
        source: the firmware folder; the bundled one by default.
        cache: the cache folder; ``default_cache()`` by default.
        progress: called at every step.
        jobs: compiler processes at a time, 1 or more.
        application: False builds the bootloader alone.

    Raises:
        InputError: unknown variant or defect, or the compiler refused a source: the text names file and line.
        BenchError: the compiler is missing or could not run.
    """
    if variant not in VARIANTS:
        raise InputError(f"unknown firmware variant {variant!r}: choose one of {', '.join(VARIANTS)}")
    if defect is not None and defect not in DEFECTS:
        raise InputError(f"unknown defect {defect!r}: choose one of {', '.join(DEFECTS)}")
    if jobs < 1:
        raise InputError(f"jobs is {jobs}: it must be 1 or more")
    defective = ("HIL_TEST_BUILD=1", f"HIL_DEFECT_{defect.upper()}=1") if defect is not None else ()
    in_application = defect in APP_DEFECTS
    defines = (*VARIANTS[variant].defines, *(() if in_application else defective))
    builder = _Builder(source or bundled.firmware(), cache or default_cache(), progress, jobs)
    boot = builder.program(sources.boot_sources(builder.firmware), defines)
    if boot.flash > BOOT_PARTITION:
        raise InputError(f"the bootloader needs {boot.flash} bytes: its partition has {BOOT_PARTITION}")
    app_files = sources.app_sources(builder.firmware) if application else None
    app = builder.program(app_files, defective if in_application else ()) if app_files is not None else None
    result = FirmwareBuild(variant, defect, builder.compiler, boot, app)
    return result if out is None else _deliver(result, out)


class _Builder:
    """One build run: the folders, the compiler, and the progress so far."""

    def __init__(self, firmware: Path, cache: Path, progress: Progress | None, jobs: int) -> None:
        if not (firmware / "flash_map.h").is_file():
            raise InputError(f"{firmware}: no firmware sources here (flash_map.h is missing)")
        self.firmware = firmware.resolve()
        self.cache = cache.resolve()
        self.compiler = compiler.compiler_identity()
        self._progress = progress
        self._jobs = jobs
        self._shared = sources.tree_digest(self.firmware)
        self._zcbor = sources.zcbor_files()
        self._done = 0
        self._steps = 0
        self.cache.mkdir(parents=True, exist_ok=True)

    def program(self, program: sources.ProgramSources, defines: tuple[str, ...]) -> Program:
        """Compiles what is missing, links, and returns the program in the cache."""
        flags = (*compiler.C_FLAGS, *_C_INCLUDES, *(f"-D{define}" for define in defines))
        keys = [self._object_key(name, flags) for name in program.files]
        crypto_key = self._key("crypto", compiler.ZIG_FLAGS, [])
        program_key = self._key(
            program.name, (*compiler.LINK_FLAGS, program.linker_script, *keys, crypto_key), []
        )
        folder = self.cache / "programs" / program_key
        if (folder / "complete").is_file():
            return _read_program(program.name, folder)
        self._steps += len(program.files) + 2
        objects = [self._object_path(key) for key in keys]
        with ThreadPoolExecutor(max_workers=self._jobs) as pool:
            crypto = pool.submit(self._compile_crypto, self._object_path(crypto_key))
            tasks = [
                pool.submit(self._compile, name, flags, path)
                for name, path in zip(program.files, objects, strict=True)
            ]
            for task in (crypto, *tasks):
                task.result()
        self._link(
            program, [*zip(program.files, objects, strict=True)], self._object_path(crypto_key), folder
        )
        return _read_program(program.name, folder)

    def _key(self, name: str, flags: tuple[str, ...], extra: list[tuple[str, bytes]]) -> str:
        parts = [
            ("compiler", self.compiler.encode()),
            ("shared", self._shared.encode()),
            ("name", name.encode()),
        ]
        return sources.content_digest([*parts, ("flags", "\0".join(flags).encode()), *extra])

    def _object_key(self, name: str, flags: tuple[str, ...]) -> str:
        return self._key(name, flags, [("source", self._read(name))])

    def _read(self, name: str) -> bytes:
        if name.startswith("zcbor/"):
            return self._zcbor[name.removeprefix("zcbor/")]
        return (self.firmware / name).read_bytes()

    def _object_path(self, key: str) -> Path:
        return self.cache / "objects" / f"{key}.o"

    def _step(self, what: str) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(what, min(self._done, self._steps), self._steps)

    def _compile(self, name: str, flags: tuple[str, ...], target: Path) -> None:
        if not target.is_file():
            with self._scratch(target) as scratch:
                staging = self._stage_zcbor(Path(scratch))
                generated = name.startswith("zcbor/")
                directory = staging.parent if generated else self.firmware
                include = ["-isystem", "zcbor" if generated else str(staging)]
                if generated:
                    include += ["-isystem", str(self.firmware / "libc"), "-Wno-error"]
                output = Path(scratch) / "object.o"
                arguments = ["cc", *flags, *include, f"-ffile-prefix-map={staging.parent}=.", "-c", name]
                arguments += ["-o", str(output)]
                compiler.run_compiler(
                    arguments, source=name, directory=directory, zig_cache=self.cache / "zig"
                )
                output.replace(target)
        self._step(name)

    def _compile_crypto(self, target: Path) -> None:
        name = "crypto/crypto.zig"
        if not target.is_file():
            with self._scratch(target) as scratch:
                output = Path(scratch) / "crypto.o"
                arguments = ["build-obj", *compiler.ZIG_FLAGS, "-fcompiler-rt", name, f"-femit-bin={output}"]
                compiler.run_compiler(
                    arguments, source=name, directory=self.firmware, zig_cache=self.cache / "zig"
                )
                output.replace(target)
        self._step(name)

    def _link(
        self, program: sources.ProgramSources, objects: list[tuple[str, Path]], crypto: Path, folder: Path
    ) -> None:
        with self._scratch(folder) as scratch_name:
            scratch = Path(scratch_name)
            names: list[str] = []
            for name, path in [*objects, ("crypto/crypto.zig", crypto)]:
                names.append(name.replace("/", "_") + ".o")
                shutil.copyfile(path, scratch / names[-1])
            script = Path(program.linker_script).name
            shutil.copyfile(self.firmware / program.linker_script, scratch / script)
            arguments = ["cc", *compiler.LINK_FLAGS, "-g", f"-Wl,-T,{script}", *names, "-o", "program.elf"]
            compiler.run_compiler(
                arguments, source=program.linker_script, directory=scratch, zig_cache=self.cache / "zig"
            )
            made = scratch / "made"
            made.mkdir()
            (scratch / "program.elf").replace(made / f"{program.name}.elf")
            _convert(program.name, made)
            (made / "complete").write_text("")
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                made.replace(folder)
            except OSError:
                # Another process finished the same program first: its content is the same.
                if not (folder / "complete").is_file():
                    raise
        self._step(f"link {program.name}")

    def _stage_zcbor(self, scratch: Path) -> Path:
        folder = scratch / "zcbor"
        folder.mkdir()
        for name, data in self._zcbor.items():
            (folder / name).write_bytes(data)
        return folder

    def _scratch(self, target: Path) -> tempfile.TemporaryDirectory[str]:
        """A folder on the same file system as the target, so that the result can be moved into place in one step."""
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent)


def _convert(name: str, folder: Path) -> None:
    content = read_elf(folder / f"{name}.elf")
    (folder / f"{name}.bin").write_bytes(content.data)
    image = IntelHex()
    image.puts(content.address, content.data)
    text = StringIO()
    image.write_hex_file(text)
    (folder / f"{name}.hex").write_text(text.getvalue())


def _read_program(name: str, folder: Path) -> Program:
    content = read_elf(folder / f"{name}.elf")
    elf_path, bin_path, hex_path = (folder / f"{name}.{ending}" for ending in ("elf", "bin", "hex"))
    digest = sha256(content.data).hexdigest()
    return Program(
        name, elf_path, bin_path, hex_path, content.address, len(content.data), content.ram, digest
    )


def _deliver(result: FirmwareBuild, out: Path) -> FirmwareBuild:
    """Copies the programs to `out` with a build.json that says what they are. Raises InputError."""
    try:
        return _copy(result, out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from None


def _copy(result: FirmwareBuild, out: Path) -> FirmwareBuild:
    out.mkdir(parents=True, exist_ok=True)
    programs = [program for program in (result.boot, result.application) if program is not None]
    moved: dict[str, Program] = {}
    for program in programs:
        for path in (program.elf_path, program.bin_path, program.hex_path):
            shutil.copyfile(path, out / path.name)
        moved[program.name] = _read_program(program.name, out)
    record = {
        "variant": result.variant,
        "defect": result.defect,
        "compiler": result.compiler,
        "programs": {
            program.name: {
                "address": program.address,
                "flash": program.flash,
                "ram": program.ram,
                "sha256": program.sha256,
            }
            for program in moved.values()
        },
    }
    (out / "build.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
    return FirmwareBuild(result.variant, result.defect, result.compiler, moved["boot"], moved.get("app"))
