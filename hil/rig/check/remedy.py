"""What to do about an error of a bench, where its text tells enough."""

from __future__ import annotations

import os
import re
from pathlib import Path

_PORT = re.compile(r"(/dev/[A-Za-z0-9_./-]+)")
_FORBIDDEN = ("permission denied", "access denied", "errno 13", "insufficient permissions")
_BUSY = ("busy", "resource temporarily unavailable", "exclusively")
_ABSENT = ("no such file", "errno 2]")
_RULE = 'SUBSYSTEM=="usb", ATTRS{idVendor}=="VVVV", MODE="0660", TAG+="uaccess"'


def with_remedy(text: str) -> str:
    """The error's line, and what to do about it."""
    port = _PORT.search(text)
    where = port[1].rstrip(".:,") if port is not None else None
    low = text.lower()
    if any(word in low for word in _FORBIDDEN):
        if where is not None:
            group = f"sudo usermod -aG {_group(where)} $USER"
            return f"{text}; add yourself to the group that owns it: {group}, and log in again"
        return (
            f"{text}; allow it by the udev rule {_RULE} in /etc/udev/rules.d/60-hil.rules, with the vendor that lsusb "
            "shows, then plug it in again"
        )
    if where is not None and any(word in low for word in _BUSY):
        holder = _holder(where)
        return f"{text}; it is in use" + (
            f" by {holder}" if holder else ", perhaps by a program of another user"
        )
    if where is not None and any(word in low for word in _ABSENT):
        return f"{text}; plug it in, or name it as it is: ls /dev/serial/by-id"
    return text


def _group(port: str) -> str:
    try:
        import grp

        return grp.getgrgid(os.stat(port).st_gid).gr_name
    except (OSError, KeyError, ImportError):
        return "dialout"


def _holder(port: str) -> str:
    """The program that has the port open, as far as /proc tells."""
    wanted = os.path.realpath(port)
    try:
        processes = [each for each in Path("/proc").iterdir() if each.name.isdecimal()]
    except OSError:
        return ""
    for process in processes:
        if process.name == str(os.getpid()):
            continue
        try:
            if any(os.path.realpath(link) == wanted for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(errors="replace").strip()
                return f"{name} (process {process.name})"
        except OSError:
            continue
    return ""
