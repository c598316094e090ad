"""Speaks to a labgrid coordinator; run by the Python that labgrid is installed in, never imported by hil.

labgrid brings its own fork of pyserial, which cannot be installed beside the one that hil uses. So it lives in an
environment of its own, and this file is a process there: one JSON request a line on stdin, one JSON answer a line on
stdout, in order. It keeps no place when stdin ends: it lets go of nothing either, since a run that was killed may not
have switched its bench off yet. The next run does both, from its journal.

Written against labgrid 26.0.1: labgrid.remote.client.ClientSession and labgrid-coordinator.proto.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

LIMIT_S = 15.0
"""How long the coordinator may take to answer one request, s."""


class Refused(Exception):
    """A request that labgrid did not grant; `kind` is one word for the program that asked."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Lab:
    """The requests, each a method of its name."""

    def __init__(self, session: Any) -> None:
        from labgrid.remote.common import Reservation
        from labgrid.remote.generated import labgrid_coordinator_pb2

        self._session = session
        self._messages = labgrid_coordinator_pb2
        self._reservation = Reservation.from_pb2
        self._me = f"{session.gethostname()}/{session.getuser()}"

    async def places(self) -> dict[str, Any]:
        """Every place: its tags, who has it."""
        await self._session.sync_with_coordinator()
        return {
            "me": self._me,
            "places": [
                {"name": place.name, "tags": dict(place.tags), "holder": place.acquired}
                for place in self._session.places.values()
            ],
        }

    async def reserve(self, match: dict[str, str]) -> dict[str, Any]:
        """Ask for one place with these tags."""
        group = self._messages.Reservation.Filter(filter=match)
        made = await self._session.stub.CreateReservation(
            self._messages.CreateReservationRequest(filters={"main": group}, prio=0.0)
        )
        return self._told(made.reservation)

    async def poll(self, token: str) -> dict[str, Any]:
        """How the reservation stands; asking keeps it alive."""
        answer = await self._session.stub.PollReservation(self._messages.PollReservationRequest(token=token))
        return self._told(answer.reservation)

    def _told(self, message: Any) -> dict[str, Any]:
        reservation = self._reservation(message)
        allocated = reservation.allocations.get("main") or [None]
        place = allocated if isinstance(allocated, str) else allocated[0]
        return {"token": reservation.token, "state": reservation.state.name, "place": place}

    async def queue(self) -> dict[str, Any]:
        """The reservations, first come first."""
        answer = await self._session.stub.GetReservations(self._messages.GetReservationsRequest())
        every = sorted(
            (self._reservation(each) for each in answer.reservations), key=lambda each: each.created
        )
        return {
            "reservations": [
                {"owner": each.owner, "token": each.token, "state": each.state.name} for each in every
            ]
        }

    async def acquire(self, place: str) -> dict[str, Any]:
        """Lock a place and tell its resources. Refused as "offline" when one that it asks for is not there."""
        import grpc

        try:
            await self._session.stub.AcquirePlace(self._messages.AcquirePlaceRequest(placename=place))
        except grpc.RpcError as error:
            raise Refused("offline", str(error.details())) from None
        await self._session.sync_with_coordinator()
        held = self._session.places[place]
        paths = [tuple(path) for path in held.acquired_resources]
        for wanted in held.matches:
            if not any(wanted.ismatch(path) for path in paths):
                raise Refused("offline", f"no exporter offers {wanted!s}")
        if not paths:
            raise Refused("offline", "the place has no resources")
        told = []
        for exporter, group, cls, name in paths:
            entry = self._session.resources.get(exporter, {}).get(group, {}).get(name)
            if entry is None or not entry.avail:
                raise Refused("offline", f"{exporter}/{group}/{cls}/{name} is not available")
            told.append({"name": f"{exporter}/{group}/{name}", "cls": entry.cls, "params": dict(entry.args)})
        return {"resources": told}

    async def release(self, place: str, user: str) -> dict[str, Any]:
        """Unlock a place if this user has it; the user is always named, or another's lock could be dropped."""
        await self._session.stub.ReleasePlace(
            self._messages.ReleasePlaceRequest(placename=place, fromuser=user)
        )
        return {}

    async def cancel(self, token: str) -> dict[str, Any]:
        """Drop a reservation; one that is gone is as good."""
        import grpc

        try:
            await self._session.stub.CancelReservation(self._messages.CancelReservationRequest(token=token))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                raise
        return {}


REQUESTS = ("places", "reserve", "poll", "queue", "acquire", "release", "cancel")


async def _answer(lab: Lab, line: str) -> dict[str, Any]:
    import grpc

    request = json.loads(line)
    number, name = request.pop("number"), request.pop("request")
    if name not in REQUESTS:
        return {"number": number, "error": "request", "text": f"no request {name}"}
    try:
        told = await asyncio.wait_for(getattr(lab, name)(**request), LIMIT_S)
    except Refused as refused:
        return {"number": number, "error": refused.kind, "text": str(refused)}
    except grpc.RpcError as error:
        return {"number": number, "error": error.code().name.lower(), "text": str(error.details())}
    except TimeoutError:
        return {"number": number, "error": "timeout", "text": f"no answer for {LIMIT_S:g} s"}
    except Exception as error:  # labgrid's own; whatever it is, the run has to be told
        return {"number": number, "error": "labgrid", "text": f"{type(error).__name__}: {error}"}
    return {"number": number, **told}


async def _serve(coordinator: str, out: Any) -> None:
    def tell(answer: dict[str, Any]) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    try:
        from labgrid.remote.client import ClientSession
    except ImportError as error:
        tell({"number": 0, "error": "missing", "text": str(error)})
        return
    loop = asyncio.get_running_loop()
    session = ClientSession(coordinator, loop)
    try:
        await asyncio.wait_for(session.start(), LIMIT_S)
    except Exception as error:
        tell({"number": 0, "error": "unreachable", "text": str(error) or type(error).__name__})
        return
    lab = Lab(session)
    tell({"number": 0})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        tell(await _answer(lab, line))
    await session.stop()
    await session.close()


def main() -> None:
    """Answer requests about the coordinator at argv[1] until stdin ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # labgrid prints now and then
    try:
        asyncio.run(_serve(sys.argv[1], out))
    finally:
        os._exit(0)  # the threads of gRPC may wait for a coordinator that is gone


if __name__ == "__main__":
    main()
