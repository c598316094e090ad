"""Errors of the third-party stacks, as a log keeps them and as a replay raises them again."""

from __future__ import annotations

from typing import Any

from hil import errors

TEXT_LIMIT = 500


class RecordedError(Exception):
    """An error of a class that is not known here, with the text that it had."""


def told(error: BaseException) -> tuple[str, str, Any]:
    """Class, text and code of an error."""
    code = getattr(error, "error_code", None)
    kind = type(error)
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return f"{kind.__module__}.{kind.__name__}", text[:TEXT_LIMIT], int(code) if code is not None else None


def again(recorded: tuple[str, str, Any]) -> Exception:
    """The error once more, so that the code above does what it did."""
    name, text, code = recorded
    module, _, kind = name.rpartition(".")
    if module == "hil.errors":
        found = getattr(errors, kind, None)
        if isinstance(found, type) and issubclass(found, errors.HilError):
            return found(text)
    if module == "pyvisa.errors" and kind == "VisaIOError" and isinstance(code, int):
        from pyvisa.errors import VisaIOError

        return VisaIOError(code)
    if module.startswith("pyocd."):
        from pyocd.core import exceptions

        found = getattr(exceptions, kind, None)
        if isinstance(found, type) and issubclass(found, exceptions.Error):
            made: Exception = found(text)
            return made
    if module.startswith("serial"):
        from serial import SerialException, SerialTimeoutException

        timed_out: Exception = SerialTimeoutException(text)
        return timed_out if kind == "SerialTimeoutException" else SerialException(text)
    builtin = {"OSError": OSError, "TimeoutError": TimeoutError, "ConnectionError": ConnectionError}.get(kind)
    return builtin(text) if builtin is not None and module == "builtins" else RecordedError(text)
