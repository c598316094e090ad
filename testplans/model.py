"""A reference model of an update: what a device that keeps the brief's rules does, in as few lines as it takes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Image:
    """An image by what decides its fate: version, security counter, and whether it confirms itself."""

    name: str
    version: tuple[int, int, int]
    counter: int = 1
    confirms: bool = True


@dataclass
class Model:
    """One device: the image that runs, what lies in the update slot, and what was asked for."""

    running: Image
    confirmed: bool = True
    update: Image | None = None
    former: Image | None = None
    pending: bool = False
    charged: bool = True
    counter: int = field(init=False)

    def __post_init__(self) -> None:
        self.counter = self.running.counter

    @property
    def taken(self) -> bool:
        """The update slot holds what the next start needs."""
        return self.pending or not self.confirmed

    def upload(self, image: Image, *, whole: bool = True) -> bool:
        """Returns whether the device takes it."""
        if self.taken or not self.charged:
            return False
        self.update, self.former = (image if whole else None), None
        return True

    def erase(self) -> bool:
        if self.taken or not self.charged:
            return False
        self.update = self.former = None
        return True

    def test(self) -> bool:
        if self.update is None or not self.confirmed:
            return False
        self.pending = True
        return True

    def confirm(self) -> bool:
        if self.pending:
            return False
        self.confirmed = True
        return True

    def reset(self) -> None:
        """A restart of any kind, with power or without."""
        if self.pending and self.charged:
            self.pending = False
            assert self.update is not None
            if self.update.version > self.running.version and self.update.counter >= self.counter:
                self.running, self.former, self.update = self.update, self.running, None
                self.confirmed = self.running.confirms  # it has time to, before anything else happens
        elif not self.confirmed:
            assert self.former is not None
            self.running, self.former, self.confirmed = self.former, None, True
        if self.confirmed:
            self.counter = max(self.counter, self.running.counter)
