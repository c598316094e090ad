"""Makes an evidence bundle of a run: all that was seen, by whom and on what, signed, and chained to the one before."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from securesystemslib.signer._crypto_signer import CryptoSigner

from hil import __version__
from hil.catalogue.requirements import Catalogue
from hil.errors import BenchError, InputError
from hil.release import dsse, evidence, manifest, sbom, statements, timestamp
from hil.report.run_folder import RunRecord

_LEFT_OUT = {"live", "finished.json", "pytest.log"}
"""What a run folder holds while it runs only, and pytest's own output, which names places of this machine."""


@dataclass(frozen=True)
class Asked:
    """What goes into a bundle besides the run."""

    record: RunRecord
    out: Path
    signer: CryptoSigner
    catalogue: Catalogue
    firmware: Callable[[], dict[str, bytes]]
    """Gives the binaries of the bundled firmware, by name; they go in if they are those that were tested."""
    gate: Path | None = None
    policy: Path | None = None
    previous: Path | None = None
    when: datetime | None = None


def make(asked: Asked) -> Path:
    """Write the bundle into a new folder `out`; returns it. Raises InputError; BenchError when it cannot be written."""
    record, out = asked.record, asked.out
    when = (asked.when or datetime.now(UTC)).replace(microsecond=0)
    if record.run.get("state") == "running":
        raise InputError(f"{record.path}: the run has not ended; `hil run --resume {record.path}` goes on")
    previous = _previous(asked.previous)
    try:
        out.mkdir(parents=True)
    except FileExistsError:
        raise InputError(f"{out}: is there already; name another folder by --out") from None
    except OSError as error:
        raise InputError(f"{out}: cannot be made: {error.strerror}") from None
    try:
        _copy_run(record.path, out / "run")
        programs = _programs(asked, out)
        _write(out / "sbom" / "firmware.cdx.json", sbom.firmware(programs, when))
        _write(out / "sbom" / "framework.cdx.json", sbom.framework(when))
        told = evidence.by_requirement(record, asked.catalogue)
        _write(out / "requirements.json", json.dumps(told, indent=2, sort_keys=True) + "\n")
        _write(out / "environment.json", json.dumps(_environment(), indent=2, sort_keys=True) + "\n")
        files = {
            name: manifest.digest(out / "run" / name) for name in ("run.json", "results.jsonl", "rig.json")
        }
        statement = statements.test_result(record, files)
        _write(out / "statement.dsse.json", dsse.seal(statement, dsse.STATEMENT_TYPE, asked.signer))
        if asked.gate is not None:
            _write(out / "gate.dsse.json", dsse.seal(_gate(asked.gate), dsse.STATEMENT_TYPE, asked.signer))
        if asked.policy is not None:
            _write(out / "policy.toml", asked.policy.read_bytes())
        body: manifest.Row = {
            "schema": manifest.SCHEMA,
            "statement": manifest.STATEMENT,
            "run": record.name,
            "bench": sorted({str(row["bench"]) for row in record.results}),
            "result": statements.outcome(record),
            "made": when.isoformat(),
            "hil": __version__,
            "previous": previous,
            "files": manifest.listed(out),
        }
        payload = manifest.encoded(body)
        _write(out / manifest.MANIFEST, payload)
        _write(out / manifest.ENVELOPE, dsse.seal(payload, dsse.MANIFEST_TYPE, asked.signer))
    except OSError as error:
        shutil.rmtree(out, ignore_errors=True)
        raise BenchError(f"{out}: cannot be written: {error.strerror}") from None
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return out


def head(bundle: Path) -> str:
    """The digest of a bundle's envelope: what the next bundle holds, and what can be published as an anchor.

    Raises InputError when `bundle` is none.
    """
    path = bundle / manifest.ENVELOPE
    if not path.is_file():
        raise InputError(f"{bundle}: not an evidence bundle: no {manifest.ENVELOPE}")
    return manifest.digest(path)


def attach(bundle: Path, token: Path) -> None:
    """Put a time-stamp token beside the envelope. Raises InputError."""
    head(bundle)
    try:
        _write(bundle / manifest.ANCHOR / timestamp.TOKEN, token.read_bytes())
    except OSError as error:
        raise InputError(f"{token}: cannot be put into {bundle}: {error.strerror}") from None


def _previous(bundle: Path | None) -> manifest.Row | None:
    if bundle is None:
        return None
    digest = head(bundle)
    body = json.loads((bundle / manifest.MANIFEST).read_text(encoding="utf-8"))
    return {"run": body.get("run"), "sha256": digest}


def _copy_run(run: Path, into: Path) -> None:
    for path in sorted(run.rglob("*")):
        relative = path.relative_to(run)
        if relative.parts[0] in _LEFT_OUT or relative.parts[0].startswith("."):
            continue
        if path.is_symlink():
            raise InputError(f"{path}: is a link; a run folder has plain files and folders only")
        if path.is_dir():
            continue
        if any(part.startswith(".") for part in relative.parts):
            continue
        (into / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, into / relative)


def _programs(asked: Asked, out: Path) -> dict[str, str]:
    """Put the firmware's binaries in, those that are what was tested; returns the digests of what was tested."""
    tested = {name: str(value) for name, value in (asked.record.run.get("firmware") or {}).items()}
    if tested:
        for name, data in asked.firmware().items():
            if hashlib.sha256(data).hexdigest() == tested.get(name):
                _write(out / "firmware" / f"{name}.bin", data)
    return tested


def _gate(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        body = json.loads(data)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path}: not JSON; `hil gate RUN --format vsa --out FILE` writes it") from None
    if not isinstance(body, dict) or "predicateType" not in body:
        raise InputError(f"{path}: not a statement; `hil gate RUN --format vsa --out FILE` writes it")
    return data


def _environment() -> manifest.Row:
    """Software only: neither the user's nor the machine's name."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {
            str(each.metadata["Name"]): each.version
            for each in sorted(metadata.distributions(), key=lambda each: str(each.metadata["Name"]).lower())
            if each.metadata["Name"]
        },
    }


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
