"""All HCI commands the virtual controller knows, by opcode."""

from __future__ import annotations

from hil.virtual.air import commands_link, commands_states
from hil.virtual.air.commands import COMMANDS

__all__ = ["COMMANDS", "commands_link", "commands_states"]
