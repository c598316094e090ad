"""Builds the guest's disk once, and runs it in QEMU."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SUITE = "bookworm"
PACKAGES = ("linux-image-amd64", "bluez", "dbus", "python3", "kmod", "udev")
TOOLS = ("qemu-system-x86_64", "debootstrap", "mke2fs")
BUILD_S = 1800.0
RUN_S = 1200.0


def missing() -> str:
    """What keeps the guest from being made here; empty when nothing does."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    absent = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if absent:
        return f"{', '.join(absent)} not installed (apt-get install qemu-system-x86 debootstrap e2fsprogs)"
    if os.geteuid() != 0:
        return "debootstrap has to be run as root"
    return ""


@dataclass(frozen=True)
class Disk:
    """A Debian that was built before, or now."""

    kernel: Path
    initrd: Path
    root: Path


def disk() -> Disk:
    """The guest's disk, from the cache or built, which takes some minutes."""
    init = (HERE / "guest_init.sh").read_bytes()
    key = hashlib.sha256(repr((SUITE, PACKAGES)).encode() + init).hexdigest()[:16]
    cache = Path(os.environ.get("HIL_CACHE_DIR", Path.home() / ".cache" / "hil")) / f"bluez-{key}"
    made = Disk(cache / "vmlinuz", cache / "initrd.img", cache / "root.ext4")
    if not all(path.is_file() for path in (made.kernel, made.initrd, made.root)):
        _build(made, init)
    return made


def _build(wanted: Disk, init: bytes) -> None:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}

    def run(*words: str | Path) -> None:
        print(f"bluez guest: {' '.join(map(str, words))[:110]}", flush=True)
        subprocess.run(
            [*map(str, words)], check=True, timeout=BUILD_S, env=environment, stdout=subprocess.DEVNULL
        )

    wanted.root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hil-bluez-") as scratch:
        root = Path(scratch) / "root"
        run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root)
        (root / "lane-init").write_bytes(init)
        (root / "lane-init").chmod(0o755)
        for name in ("vmlinuz", "initrd.img"):
            shutil.copyfile((root / name).resolve(), wanted.root.parent / name)
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        image = Path(scratch) / "root.ext4"
        run("mke2fs", "-q", "-t", "ext4", "-d", root, image, "2G")
        shutil.copyfile(image, wanted.root)


def run(made: Disk, controller_port: int, exchange: Path) -> str:
    """Boot the guest with the controller that listens on 127.0.0.1; what it told until it powered off."""
    told = exchange / "told.txt"
    shares = {"repo": REPOSITORY, "site": Path(sysconfig.get_paths()["purelib"]), "exchange": exchange}
    words = [
        *("qemu-system-x86_64", "-machine", "q35", "-cpu", "max", "-smp", "1", "-m", "1024", "-nographic"),
        *("-no-reboot", "-net", "none", "-serial", f"file:{exchange / 'console.txt'}", "-monitor", "none"),
        *("-kernel", str(made.kernel), "-initrd", str(made.initrd)),
        *("-append", "root=/dev/vda rw console=ttyS0 quiet panic=-1 init=/lane-init"),
        *("-drive", f"file={made.root},format=raw,if=virtio,snapshot=on"),
        *("-device", "virtio-serial", "-device", "virtio-rng-pci"),
        *("-chardev", f"socket,id=hci,host=127.0.0.1,port={controller_port}"),
        *("-device", "virtserialport,chardev=hci,name=hci"),
        *("-chardev", f"file,id=told,path={told}", "-device", "virtserialport,chardev=told,name=told"),
    ]
    for tag, folder in shares.items():
        words += ["-virtfs", f"local,path={folder},mount_tag={tag},security_model=none,readonly=on,id={tag}"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + RUN_S
    shown = 0
    try:
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the guest did not end within {RUN_S:g} s: {_read(told)[-2000:]}")
            text = _read(told)
            sys.stdout.write(text[shown:])
            sys.stdout.flush()
            shown = len(text)
            time.sleep(0.5)
    finally:
        process.kill()
        process.wait()
    return _read(told)


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
