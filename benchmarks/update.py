"""Virtual time against wall time of a 256 KB update on the virtual bench, on one core.

    python benchmarks/update.py [--size BYTES] [--keep FOLDER] [--profile FILE]

It does what a case does, by the same code: a fresh bench, provisioning over SWD, an upload over 2M with ATT
MTU 498 and 251-byte PDUs, swap, boot and confirmation. The asked-for figure is at least twenty seconds of
virtual time in a second of wall time for the update. `--keep` leaves console log, capture and power
trace, which are the same on every machine and after every change that is for speed alone.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hil.dfu.update import Update
from hil.image.sign import SignedImage
from hil.rig import files
from hil.rig.device import Device
from hil.rig.product import Product, bundled_product
from hil.rig.rig import Rig, open_rig

ASKED = 20.0
"""Virtual seconds in a wall second, for the update."""


class Stopwatch:
    """Times the parts of the run by the bench's clock, by the wall's and by the processor's."""

    def __init__(
        self, rig: Rig, *, quiet: bool = False, at_ends: Callable[[str], object] = lambda name: None
    ) -> None:
        self._rig = rig
        self._quiet = quiet
        self._at_ends = at_ends
        self.parts: dict[str, tuple[float, float, float]] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        before = self._now()
        self._at_ends(name)
        yield
        self._at_ends(name)
        virtual, wall, processor = (after - start for after, start in zip(self._now(), before, strict=True))
        self.parts[name] = (virtual, wall, processor)
        if self._quiet:
            return
        print(f"{name:22s} {virtual:8.2f} {wall:8.2f} {processor:8.2f} {virtual / wall:10.1f}", flush=True)

    def _now(self) -> tuple[float, float, float]:
        return self._rig.clock(), time.perf_counter(), time.process_time()


def measure(rig: Rig, product: Product, size: int, folder: Path, watch: Stopwatch) -> tuple[float, float]:
    """Run the update; the ratios of virtual to wall and to CPU time of its upload, swap and boot."""
    rig.begin_case("BENCHMARK", 1, folder)
    dut = Device(rig)
    with watch.part("sign"):
        base, image = (product.images().make(version, size=size) for version in ("1.0.0", "1.1.0"))
    with watch.part("provision"):
        dut.provision(bootloader=product.bootloader, provisioning=product.provisioning.page(), image=base)
    with watch.part("boot"):
        dut.wait_booted()
    run_update(rig, dut, image, watch)
    with watch.part("end of case"):
        assert dut.version == image.version
        rig.end_case(failed=False)
    chosen = [watch.parts[name] for name in ("upload", "swap, boot, confirm")]
    virtual, wall, processor = (sum(part[kind] for part in chosen) for kind in range(3))
    return virtual / wall, virtual / processor


def run_update(rig: Rig, dut: Device, image: SignedImage, watch: Stopwatch) -> None:
    reach = dut.air()
    reach.link.phy = "2M"
    reach.link.data_length = 251
    update = Update(rig.run, reach)
    with watch.part("upload"):
        update.start(image).run()
    update.close()
    with watch.part("swap, boot, confirm"):
        Update(rig.run, dut.reach).activate(image)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=256 * 1024, help="bytes of the image (default: 262144)")
    parser.add_argument("--keep", type=Path, help="folder for console log, capture and power trace")
    parser.add_argument("--profile", type=Path, help="write a cProfile of the run there")
    arguments = parser.parse_args()
    file = files.load("virtual")
    product = bundled_product(file.device)
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as temporary, open_rig(file) as rig:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.profile is not None:
            profile.enable()
        print(f"{'':22s} {'virtual':>8s} {'wall':>8s} {'CPU':>8s} {'virtual/wall':>12s}")
        by_wall, by_processor = measure(rig, product, arguments.size, folder, Stopwatch(rig))
        profile.disable()
        for path in sorted(folder.iterdir()):
            print(f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}  {path.name}")
    if arguments.profile is not None:
        profile.dump_stats(arguments.profile)
    print(f"update: {by_wall:.1f} virtual seconds in a wall second; asked: at least {ASKED:.0f}")
    print(f"on a core of its own, by its CPU time: {by_processor:.1f}")


if __name__ == "__main__":
    main()
