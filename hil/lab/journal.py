"""What this computer has reserved in a laboratory, on its disk before it is used.

labgrid keeps a lock whose holder has died, and a reservation once acquired, for ever. So every run has a file here
with the user name it goes by, its token and its place. A file whose run has ended, which the lock beside it tells, is
what the next run cleans up after.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hil.errors import BenchError
from hil.filelock import FileLock

FOLDER = "HIL_LAB_STATE"
"""Environment variable: where the files are kept; absent: $XDG_STATE_HOME/hil/lab, or ~/.local/state/hil/lab."""
_SIZE_LIMIT = 1 << 14


@dataclass(frozen=True)
class Held:
    """What one run has, or had."""

    coordinator: str
    host: str
    user: str
    token: str | None = None
    place: str | None = None

    @property
    def owner(self) -> str:
        """As labgrid names it."""
        return f"{self.host}/{self.user}"


def folder() -> Path:
    """Where the files are, made if need be. Raises BenchError when it cannot be."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(os.environ.get(FOLDER) or Path(base) / "hil" / "lab")
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BenchError(f"{path}: the lab's journal cannot be kept there: {error.strerror}") from None
    return path


class Journal:
    """The file of one run, locked while the run lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path, "lab journal")

    @classmethod
    def new(cls, coordinator: str) -> tuple[Journal, Held]:
        """Begin one, under a user name that no other run has: labgrid takes equal names for the same user."""
        user = f"hil-{os.getpid()}-{secrets.token_hex(4)}"
        held = Held(coordinator, socket.gethostname(), user)
        journal = cls(folder() / f"{user}.json")
        journal.write(held)
        return journal, held

    def write(self, held: Held) -> None:
        """Put it on the disk before this returns. Raises BenchError when that fails."""
        beside = self.path.with_suffix(".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(asdict(held), file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
            descriptor = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise BenchError(f"{self.path}: the lab's journal cannot be written: {error.strerror}") from None

    def read(self) -> Held | None:
        """What it says; None for a file that is not one."""
        try:
            with self.path.open(encoding="utf-8") as file:
                data = json.loads(file.read(_SIZE_LIMIT))
            held = Held(**data)
        except (OSError, ValueError, TypeError):
            return None
        return held if all(each is None or isinstance(each, str) for each in asdict(held).values()) else None

    def forget(self) -> None:
        """All is given back: remove the file."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave the file to the next run."""
        self._lock.release()


def dead(coordinator: str) -> Iterator[tuple[Journal, Held]]:
    """The journals of runs of this computer at this coordinator that have ended without giving back what they had.

    The caller forgets or closes each.
    """
    for path in sorted(folder().glob("hil-*.json")):
        try:
            journal = Journal(path)
        except BenchError:
            continue  # its run lives
        held = journal.read() if path.exists() else None
        if held is None or (held.coordinator, held.host) != (coordinator, socket.gethostname()):
            journal.close()
            continue
        yield journal, held
