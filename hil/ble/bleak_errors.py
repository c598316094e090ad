"""What Bumble raises, as bleak's users expect it: BleakError and nothing else.

A request that waits while the link goes is cancelled by Bumble, which looks just like a cancellation
by the caller; the two must not be mixed up, or a dropped link silently kills the caller's task.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bleak.exc import BleakError, BleakGATTProtocolError
from bumble import att, core, hci


@asynccontextmanager
async def as_bleak_errors(what: str) -> AsyncIterator[None]:
    """Translate inside a call `what` ("read", "subscribe"); TimeoutError of the caller passes."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BleakError(f"{what}: the link was lost") from None
    except att.ATT_Error as error:
        raise BleakGATTProtocolError(error.error_code) from error
    except core.TimeoutError as error:
        raise BleakError(f"{what}: no answer from the device within the ATT time-out of 30 s") from error
    except hci.HCI_Error as error:
        raise BleakError(f"{what}: the controller refused: {error.error_name}") from error
    except core.BaseBumbleError as error:
        raise BleakError(f"{what}: {error or type(error).__name__}") from error
