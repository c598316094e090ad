"""`hil evidence`: signed bundles of what a run has shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evidence", short_help="Make a signed evidence bundle of a run.")(evidence)


def evidence(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A run folder; with --head, --tsa-request or --timestamp a bundle."
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="PEM", help="Private key that signs, Ed25519 or P-256, in PKCS#8."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The bundle.  [default: RUN-evidence]")
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option(
            "--gate", metavar="FILE", help="The gate's statement: hil gate RUN --format vsa --out FILE."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="The policy that the gate judged by.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", metavar="BUNDLE", help="The bundle before this one.")
    ] = None,
    head: Annotated[
        bool, typer.Option("--head", help="Print the digest of a bundle that can be published as its anchor.")
    ] = False,
    tsa_request: Annotated[
        Path | None,
        typer.Option(
            "--tsa-request", metavar="FILE", help="Write a time-stamp request (RFC 3161) for a bundle."
        ),
    ] = None,
    token: Annotated[
        Path | None,
        typer.Option("--timestamp", metavar="FILE", help="Put an authority's answer into a bundle."),
    ] = None,
) -> None:
    """Make an evidence bundle of a run, signed and chained to the one before; or anchor a bundle that is made."""
    from hil.release import bundle as bundles
    from hil.release import dsse, manifest, timestamp

    if head or tsa_request is not None or token is not None:
        digest = bundles.head(run)
        if tsa_request is not None:
            try:
                tsa_request.write_bytes(timestamp.request((run / manifest.ENVELOPE).read_bytes()))
            except OSError as error:
                raise InputError(f"{tsa_request}: cannot be written: {error.strerror}") from None
        if token is not None:
            bundles.attach(run, token)
        typer.echo(digest)
        return
    if key is None:
        raise InputError("hil evidence: give --key FILE, the private key that signs the bundle")
    from hil.catalogue import requirements
    from hil.report.run_folder import RunRecord

    record = RunRecord.load(run)
    made = bundles.make(
        bundles.Asked(
            record=record,
            out=out or run.resolve().with_name(f"{record.name}-evidence"),
            signer=dsse.load_signer(key),
            catalogue=requirements.load(),
            firmware=_binaries,
            gate=gate,
            policy=policy,
            previous=previous,
        )
    )
    typer.echo(f"head {bundles.head(made)}")
    typer.echo(made)


def _binaries() -> dict[str, bytes]:
    from hil.toolchain.builder import build

    built = build()
    programs = [built.boot] + ([built.application] if built.application is not None else [])
    return {program.name: program.data for program in programs}
