"""The device's console: what it prints, with the bench's time on every line."""

from hil.console.serial import ConsoleLine, ConsolePanic, ConsoleTimeout, SerialConsole, open_console

__all__ = ["ConsoleLine", "ConsolePanic", "ConsoleTimeout", "SerialConsole", "open_console"]
