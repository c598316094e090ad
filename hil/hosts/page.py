"""The table of host profiles for docs/host-profiles.md, made from the data."""

from __future__ import annotations

from collections.abc import Iterator

from hil.hosts import profile as profiles


def markdown() -> str:
    """One section a profile: each figure, and its source with what it says, or that it is assumed."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for number, name in enumerate(profiles.names()):
        profile = profiles.named(name)
        if number:
            yield ""
        yield f"### {name}: {profile.description}"
        yield ""
        yield "| figure | value | source |"
        yield "|---|---|---|"
        for key, figure in profile.figures():
            source = profiles.ASSUMED if figure.is_assumed else f"[{figure.says}]({figure.source})"
            yield f"| `{key}` | {figure.value} | {source} |"
