"""A companion app as small as it can be: updates a device over its serial port. Exit code 0: it runs the image."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from smp.image_management import ImageStatesReadResponse
from smpclient import SMPClient
from smpclient.generics import error, success
from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import ResetWrite
from smpclient.transport.serial import SMPSerialTransport

CONFIRM_S = 40


async def _connected(port: str) -> SMPClient:
    client = SMPClient(SMPSerialTransport(), port)
    await client.connect()
    return client


async def update(port: str, path: Path, hash: bytes) -> int:
    client = await _connected(port)
    async for offset in client.upload(path.read_bytes(), first_timeout_s=20.0):
        print(f"at {offset}", flush=True)
    answer = await client.request(ImageStatesWrite(hash=hash))
    if error(answer):
        print(f"refused: {answer}")
        return 3
    await client.request(ResetWrite())
    for _ in range(CONFIRM_S):
        await asyncio.sleep(1.0)
        try:
            states = await client.request(ImageStatesRead(), timeout_s=1.0)
        except TimeoutError:
            continue
        if success(states):
            assert isinstance(states, ImageStatesReadResponse)
            running = next((image for image in states.images if image.active), None)
            if running is None or running.hash != hash:
                print(f"the device runs another image: {running}")
                return 4
            if running.confirmed:
                return 0
    return 5


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(update(sys.argv[1], Path(sys.argv[2]), bytes.fromhex(sys.argv[3]))))
    except Exception as trouble:
        print(f"{type(trouble).__name__}: {trouble}")
        sys.exit(2)
