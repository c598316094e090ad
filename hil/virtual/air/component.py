"""What the models of the air share: state that can be saved and put back in place."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, TypeVar

T = TypeVar("T", bound="Component")


class Component:
    """A model with identity: a copy of something that refers to it still refers to it.

    `save` returns the mutable attributes, deeply copied; `restore` puts them back into the same object, so
    that events in the kernel's queue, which hold its bound methods, stay good. Attributes named in `FIXED`
    are wiring and are left alone.
    """

    FIXED: ClassVar[frozenset[str]] = frozenset()

    def __deepcopy__(self: T, memo: dict[int, Any]) -> T:
        return self

    def __copy__(self: T) -> T:
        return self

    def save(self) -> object:
        """The mutable state, for `restore`."""
        return copy.deepcopy({k: v for k, v in self.__dict__.items() if k not in self.FIXED})

    def restore(self, state: object) -> None:
        """Return to a state given by `save`, any number of times."""
        saved: Any = copy.deepcopy(state)
        self.__dict__.update(saved)
