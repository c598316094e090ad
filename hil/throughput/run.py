"""Runs a matrix over a rig: on a virtual bench in parts of fixed size that any number of processes share, so that the
figures are the same whatever their number; on one that exists all in one go.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from queue import Empty
from typing import Any

from hil.errors import DeviceError, InputError
from hil.image.sign import SignedImage
from hil.rig import files
from hil.rig.device import Device
from hil.rig.foreign import images_of, versions
from hil.rig.product import Product, bundled_product
from hil.rig.rig import Rig, open_rig
from hil.rig.schema import RigFile
from hil.throughput.matrix import Column, Matrix, Setting
from hil.throughput.measure import NEEDS, NEEDS_OF, Bench, NotPossible
from hil.throughput.result import Row, failed, impossible, row

PART = 12
"""Measurements between two starts of a virtual bench."""

Work = Sequence[tuple[Setting, Column]]
Watch = Callable[[int, Row], None]
"""Told of each line with its place in `Matrix.work()`, in the order in which they are done."""


def check(file: RigFile, matrix: Matrix) -> None:
    """Raises InputError when the rig cannot measure the matrix."""
    wanted = [*NEEDS, *(need for column in matrix.columns for need in NEEDS_OF[column])]
    missing = [need for need in wanted if need not in file.capabilities()]
    if missing:
        raise InputError(f"rig {file.name} cannot measure {matrix.name}: it has no {', '.join(missing)}")


def run(
    rig: str, matrix: Matrix, *, jobs: int = 1, seed: int = 1, watch: Watch, folder: Path | None = None
) -> None:
    """Measure every cell of `matrix` on the rig of that name or file.

    `jobs` processes share a virtual bench's work; a bench that exists takes one. `folder` gets the captures of a bench
    that exists. Raises InputError when the rig cannot, BenchError when an instrument fails.
    """
    file = files.load(rig)
    check(file, matrix)
    work = matrix.work()
    if file.bench != "virtual":
        if jobs > 1:
            raise InputError(f"rig {rig}: a bench that exists has one job at a time, not {jobs}")
        _measure(file, matrix, work, range(len(work)), seed, watch, folder)
        return
    _product(file)  # build the firmware once, before several processes want it
    parts = [range(at, min(at + PART, len(work))) for at in range(0, len(work), PART)]
    if jobs == 1 or len(parts) == 1:
        for number, part in enumerate(parts):
            _measure(file, matrix, work, part, seed + number, watch, None)
        return
    _share(rig, matrix, parts, jobs, seed, watch)


def _share(rig: str, matrix: Matrix, parts: Sequence[range], jobs: int, seed: int, watch: Watch) -> None:
    context = multiprocessing.get_context("spawn")
    lines = context.Queue()
    pool = ProcessPoolExecutor(min(jobs, len(parts)), context, _begin_worker, (lines,))
    try:
        waiting: set[Future[None]] = {
            pool.submit(_part, rig, matrix, part, seed + number) for number, part in enumerate(parts)
        }
        while waiting:
            done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            _drain(lines, watch)
            for each in done:
                each.result()  # raises what it raised
        _drain(lines, watch, last=True)
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        _drain(lines, watch)
        raise
    pool.shutdown()


def _drain(lines: Any, watch: Watch, *, last: bool = False) -> None:
    """Tell of what has come. The queue's own thread may be behind when the last process has ended."""
    while True:
        try:
            place, line = lines.get(timeout=0.2) if last else lines.get_nowait()
        except Empty:
            return
        watch(place, line)


class _Told:
    """Where a process of the pool tells its lines."""

    lines: Any = None


def _begin_worker(lines: Any) -> None:
    _Told.lines = lines
    # Ctrl-C is the parent's to answer: it ends these processes and keeps what they have told.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _part(rig: str, matrix: Matrix, part: range, seed: int) -> None:
    _measure(
        files.load(rig),
        matrix,
        matrix.work(),
        part,
        seed,
        lambda place, line: _Told.lines.put((place, line)),
        None,
    )


def _measure(
    file: RigFile, matrix: Matrix, work: Work, part: range, seed: int, watch: Watch, folder: Path | None
) -> None:
    """Measure some of the work on a bench that is opened for it."""
    with tempfile.TemporaryDirectory() as scratch, open_rig(file) as rig:
        rig.begin_case("THROUGHPUT", seed, folder or Path(scratch))
        clean = False
        try:
            dut, image = _prepare(rig, matrix, [work[place][1] for place in part])
            bench = Bench(rig, matrix, dut, image)
            for place in part:
                watch(place, _line(bench, matrix, *work[place]))
            clean = True
        finally:
            rig.end_case(failed=not clean)


def _line(bench: Bench, matrix: Matrix, setting: Setting, column: Column) -> Row:
    try:
        return row(setting, column, [bench.measure(setting, column) for _ in range(matrix.repeats)])
    except NotPossible as reason:
        return impossible(setting, column, str(reason))
    except DeviceError as error:
        return failed(setting, column, str(error))


def _prepare(rig: Rig, matrix: Matrix, columns: Sequence[Column]) -> tuple[Device | None, SignedImage | None]:
    """The device running, and the image of an upload; None for what no column needs."""
    if not set(columns) & {"device", "dfu"}:
        return None, None
    dut = Device(rig)
    product = _product(rig.file)
    if product is None:
        images = images_of(rig.file) if "dfu" in columns else None
        image = images.make(versions(rig.file)[1]) if images is not None else None
        dut.power_on()
    else:
        made = product.images()
        # Never smaller than the application itself.
        image = made.make("1.1.0", size=max(matrix.payload_bytes, len(made.application)))
        dut.provision(
            bootloader=product.bootloader,
            provisioning=product.provisioning.page(),
            image=made.make("1.0.0"),
        )
    dut.wait_booted()
    return dut, image


def _product(file: RigFile) -> Product | None:
    return bundled_product(file.device) if file.device.firmware == "bundled" else None
