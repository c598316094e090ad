"""The `hil` command. Every error of the user's is one line and exit 2; see hil.errors for the exit codes."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from hil import __version__
from hil.commands import (
    cases,
    evidence,
    gate,
    history,
    profiles,
    replay,
    report,
    rigs,
    sweep,
    throughput,
    verify,
)
from hil.errors import BenchError, HilError, InputError

INTERRUPTED = 130

# What a mistake on the command line raises. Typer brings a copy of click of its own or uses the installed one,
# depending on its version; this finds the class in either.
_UsageError: Any = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")

app = typer.Typer(
    help="Hardware-in-the-loop tests for firmware updates over Bluetooth LE.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
firmware_app = typer.Typer(
    help="The bundled bootloader and application.", no_args_is_help=True, rich_markup_mode=None
)
image_app = typer.Typer(
    help="MCUboot images: sign, read, break in a named way.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(firmware_app, name="firmware")
app.add_typer(image_app, name="image")
cases.register(app)
history.register(app)
gate.register(app)
evidence.register(app)
verify.register(app)
report.register(app)
replay.register(app)
profiles.register(app)
rigs.register(app)
sweep.register(app)
throughput.register(app)

RigOption = Annotated[str, typer.Option("--rig", metavar="NAME|FILE", help="The bench to run on.")]
ImageArgument = Annotated[Path, typer.Argument(metavar="IMAGE", help="An MCUboot image (.bin or .hex).")]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write the image.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"hil {__version__}")
        raise typer.Exit


@app.callback()
def _hil(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hardware-in-the-loop tests for firmware updates over Bluetooth LE."""


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": False},
    options_metavar="[OPTIONS] [-- PYTEST-ARGS]",
    short_help="Run a plan and write a run folder with a report.",
)
def run(
    context: typer.Context,
    rig: Annotated[
        list[str] | None,
        typer.Option(
            "--rig",
            metavar="NAME|FILE",
            help="The bench to run on; several share the plan.  [default: virtual]",
        ),
    ] = None,
    plan: Annotated[str, typer.Option("--plan", metavar="NAME|FILE", help="Which cases to run.")] = "smoke",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Make the run folder in DIR.  [default: reports]"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", min=0, max=2**48 - 1, help="Seed of the run.  [default: the plan's]"
        ),
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option("--case", metavar="ID", help="Run only this case; repeatable.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "-n", metavar="N", min=1, max=64, help="Cases side by side.  [default: the plan's]"
        ),
    ] = None,
    fail_unmodelled: Annotated[
        bool,
        typer.Option(
            "--fail-unmodelled",
            help="Fail a case whose firmware touches what the virtual bench does not model.  [default: the plan's]",
        ),
    ] = False,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Then run the negative controls: cases on defective firmware, where they must fail.",
        ),
    ] = False,
    record: Annotated[
        bool | None,
        typer.Option(
            "--record/--no-record",
            help="Keep what crosses the wires, for hil replay.  [default: on every bench but a virtual one]",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with a run that was killed or interrupted, as it was begun.",
        ),
    ] = None,
    lab: Annotated[
        str | None,
        typer.Option("--lab", metavar="HOST:PORT", help="Run on a place of this labgrid coordinator's."),
    ] = None,
    match: Annotated[
        list[str] | None,
        typer.Option("--match", metavar="KEY=VALUE", help="A tag that the place must have; repeatable."),
    ] = None,
    lab_timeout: Annotated[
        float,
        typer.Option(
            "--lab-timeout", metavar="SECONDS", min=0, max=1e6, help="How long to wait for a place."
        ),
    ] = 3600.0,
    defect: Annotated[str | None, typer.Option("--defect", hidden=True)] = None,
) -> None:
    """Run a plan, show its progress, and write a run folder, whose path is the last line printed.

    What follows -- goes to pytest. Exit code: 0 all held, 1 the device broke a requirement, 2 the input is wrong,
    3 the bench failed, 130 interrupted.
    """
    from hil.lab.reserved import LabWanted
    from hil.run import start
    from hil.run.asked import Asked

    if resume is not None:
        given = [
            f"--{name.replace('_', '-')}"
            for name in ("rig", "plan", "out", "seed", "case", "fail_unmodelled", "defect", "lab", "match")
            if _is_given(context, name)
        ]
        if given:
            raise InputError(f"--resume goes on as the run was begun: leave out {', '.join(given)}")
    rigs = tuple(rig or ("virtual",))
    if lab is None and match:
        raise InputError("--match says which place of a lab; give --lab HOST:PORT")
    if lab is not None and len(rigs) > 1:
        raise InputError("--lab gives a run one place; give one --rig")
    asked = Asked(
        rig=rigs[0],
        rigs=rigs,
        plan=plan,
        out=out,
        seed=seed,
        cases=tuple(case or ()),
        workers=workers,
        defect=defect,
        fail_unmodelled=fail_unmodelled,
        controls=controls,
        resume=resume,
        record=record,
        pytest_arguments=tuple(context.args),
        lab=LabWanted(lab, tuple(match or ()), lab_timeout) if lab is not None else None,
    )
    code, folder = start.run(asked)
    typer.echo(folder)
    raise typer.Exit(code)


@app.command(short_help="Hold a virtual bench open in real time for outside tools.")
def serve(
    rig: RigOption = "virtual",
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="HEX", help="Flash this Intel HEX file first; repeatable."),
    ] = None,
    bundled: Annotated[
        bool,
        typer.Option("--bundled", help="Flash the bundled bootloader and application, provisioned, first."),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FILE", help="Keep flash and UICR in FILE over a restart."),
    ] = None,
    btsnoop: Annotated[
        Path | None, typer.Option("--btsnoop", metavar="FILE", help="Record the kit's HCI traffic in FILE.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="Write the messages to FILE as well.")
    ] = None,
    controller: Annotated[
        bool,
        typer.Option(
            "--controller/--no-controller",
            help="Leave the kit's own controller in its place, or take it off and serve its UART too.",
        ),
    ] = True,
    console_pins: Annotated[
        str | None,
        typer.Option(
            "--console-pins",
            metavar="TXD,RXD[,RTS,CTS]",
            help="The kit's pins that the console is on.  [default: P0.06,P0.08,P0.05,P0.07]",
        ),
    ] = None,
    button: Annotated[
        float,
        typer.Option(
            "--press-button", metavar="SECONDS", min=0, max=1e6, help="Hold button 1 down after power-on."
        ),
    ] = 0.0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, max=2**48 - 1, help="Seed of the bench.")
    ] = 0,
    swd_port: Annotated[
        int, typer.Option("--swd-port", metavar="N", min=0, max=65535, help="TCP port; 0 is any.")
    ] = 0,
    supply_port: Annotated[
        int, typer.Option("--supply-port", metavar="N", min=0, max=65535, help="TCP port; 0 is any.")
    ] = 0,
    hci_port: Annotated[
        int, typer.Option("--hci-port", metavar="N", min=0, max=65535, help="TCP port; 0 is any.")
    ] = 0,
    console_port: Annotated[
        int | None,
        typer.Option(
            "--console-port",
            metavar="N",
            min=0,
            max=65535,
            help="The console as raw bytes at this TCP port, not as a pseudo-terminal; 0 is any.",
        ),
    ] = None,
) -> None:
    """Hold a virtual bench open in real time, and print its endpoints as one line of JSON.

    Ends on SIGTERM or Ctrl-C, with its state written. Exit code: 0 ended as asked, 2 the input is wrong, 3 the bench
    failed.
    """
    from hil.serve import bench

    bench.serve(
        bench.Options(
            rig=rig,
            images=tuple(image or ()),
            bundled=bundled,
            state=state,
            btsnoop=btsnoop,
            log=log,
            controller=controller,
            console_pins=console_pins,
            button_seconds=button,
            seed=seed,
            swd_port=swd_port,
            supply_port=supply_port,
            hci_port=hci_port,
            console_port=console_port,
        )
    )


@firmware_app.command("build")
def firmware_build(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Copy the results into DIR.")
    ] = None,
    variant: Annotated[
        str,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="Kind of image: p256, ed25519 or p256-encrypted.  [default: p256]",
            show_default=False,
        ),
    ] = "p256",
) -> None:
    """Build the bundled bootloader and application from source; the same sources give the same bits."""
    from hil.run import firmware

    result = firmware.build(sys.stdout, variant=variant, out=out)
    for program in (result.boot, result.application):
        if program is not None:
            typer.echo(
                f"{program.name:5} {program.flash:7} bytes of flash {program.ram:6} of RAM at 0x{program.address:05x}"
                f"  sha256 {program.sha256}  {program.hex_path}"
            )


@image_app.command("sign", short_help="Sign an application as an MCUboot image.")
def image_sign(
    payload: Annotated[
        Path,
        typer.Argument(metavar="PAYLOAD", help="The application, from its vector table on (.bin or .hex)."),
    ],
    key: Annotated[Path, typer.Option("--key", metavar="PEM", help="Private key, P-256 or Ed25519.")],
    version: Annotated[str, typer.Option("--version", metavar="X.Y.Z+B", help="The image's version.")],
    out: OutOption,
    counter: Annotated[
        int | None,
        typer.Option("--security-counter", metavar="N", min=0, max=2**32 - 1, help="Security counter."),
    ] = None,
    vendor: Annotated[
        str | None, typer.Option("--vendor", metavar="UUID", help="Vendor id that the device checks.")
    ] = None,
    device_class: Annotated[
        str | None, typer.Option("--class", metavar="UUID", help="Class id that the device checks.")
    ] = None,
) -> None:
    """Sign an application as an MCUboot image; the same input gives the same bytes."""
    from hil.image.keys import load_key
    from hil.image.mcuboot import ImageVersion
    from hil.image.sign import sign_image

    signed = sign_image(
        _read_binary(payload),
        load_key(key),
        ImageVersion.parse(version),
        security_counter=counter,
        vendor=_uuid(vendor, "--vendor"),
        device_class=_uuid(device_class, "--class"),
        name=str(payload),
    )
    _write(out, signed.data)
    typer.echo(f"{out}: {len(signed.data)} bytes, version {signed.version}, hash {signed.hash.hex()}")


@image_app.command("info", short_help="Say what an image contains and whether it holds.")
def image_info(
    image: ImageArgument,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PEM", help="Also verify the signature by this key.")
    ] = None,
) -> None:
    """Say what an image contains, and whether its hash holds, as JSON."""
    from hil.image import info
    from hil.image.keys import load_key

    told = info.image_info(_read_binary(image), str(image), load_key(key) if key is not None else None)
    typer.echo(json.dumps(told, indent=2, default=str))


@image_app.command("mutate", short_help="Break an image in a named way.")
def image_mutate(
    image: ImageArgument,
    mutation: Annotated[
        str, typer.Argument(metavar="MUTATION", help="What to break; `list` names them all.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write the image.")
    ] = None,
) -> None:
    """Break an image in a named way, as an attacker without the key could."""
    from hil.image.mutate import MUTATIONS, mutate_image

    if mutation == "list":
        for each in MUTATIONS.values():
            typer.echo(f"{each.name:24} {each.sentence}")
        return
    if out is None:
        raise InputError("hil image mutate: give --out FILE")
    broken = mutate_image(_read_binary(image), mutation)
    _write(out, broken)
    typer.echo(f"{out}: {len(broken)} bytes, {MUTATIONS[mutation].sentence}")


def _is_given(context: typer.Context, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _read_binary(path: Path) -> bytes:
    """The content of a binary or Intel HEX file. Raises InputError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    from hil import hexfile

    return hexfile.binary_of(data, str(path)) if path.suffix.lower() in hexfile.SUFFIXES else data


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def _uuid(text: str | None, option: str) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise InputError(f'{option}: expected a UUID, got "{text}"') from None


def main() -> None:
    """Entry point of the `hil` command."""
    try:
        code = app(standalone_mode=False)
    except HilError as error:
        _complain(str(error))
        code = error.exit_code
    except typer.Abort:
        code = INTERRUPTED
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its text is the help
            typer.echo(error.format_message(), err=True)
        else:
            _complain(error.format_message())
        code = InputError.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away; the interpreter must not complain of it once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BenchError.exit_code
    if code == INTERRUPTED:
        # A coroutine that Ctrl-C came before is dropped when the interpreter ends, which must not be told the user.
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
    sys.exit(code if isinstance(code, int) else 0)


def _complain(text: str) -> None:
    for line in text.splitlines():
        typer.echo(f"hil: {line}", err=True)
