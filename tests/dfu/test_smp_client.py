"""Matching answers to requests, hostile answers, and the result codes."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smp.error import MGMT_ERR
from smp.image_management import IMG_MGMT_ERR, ImageStatesReadResponse, ImageUploadWriteResponse
from smp.os_management import OS_MGMT_RET_RC, EchoWriteRequest, EchoWriteResponse, ResetWriteResponse

from hil.dfu import errors
from hil.dfu.errors import (
    LinkLost,
    MgmtNotSupported,
    SmpError,
    SmpProtocolError,
    SmpResultError,
    SmpTimeout,
    result_error,
)
from hil.dfu.smp_client import SmpClient, decode
from hil.errors import DeviceError
from hil.virtual.wire.loop import VirtualEventLoop
from tests.dfu.conftest import Wire
from tests.dfu.smp_server import HEADER, SmpServer

quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

words = st.sampled_from(["", "rc", "group", "slot", "version", "hash"])


def answer(payload: Any, *, operation: int = 3, group: int = 1, command: int = 1) -> bytes:
    body = payload if isinstance(payload, bytes) else cbor2.dumps(payload)
    return struct.pack(">BBHHBB", operation | 1 << 3, 0, len(body), group, 0, command) + body


def test_several_requests_in_flight(loop: VirtualEventLoop, server: SmpServer) -> None:
    async def main() -> list[str]:
        client = SmpClient(Wire(server))
        sent = [
            await client.send(EchoWriteRequest, EchoWriteResponse, "echo", d=text) for text in ("a", "b", "c")
        ]
        assert client.in_flight == 3
        answers = [(await entry.result(5)).r for entry in reversed(sent)]
        assert client.in_flight == 0
        return answers

    assert loop.run(main()) == ["c", "b", "a"]


def test_a_late_answer_is_stray_and_harms_nobody(loop: VirtualEventLoop, server: SmpServer) -> None:
    async def main() -> None:
        client = SmpClient(Wire(server))
        server.seconds_per_request = 2.0
        with pytest.raises(SmpTimeout, match="echo: no answer within 1 s"):
            await client.request(EchoWriteRequest, EchoWriteResponse, "echo", timeout_s=1, d="late")
        server.seconds_per_request = 0.0
        response = await client.request(EchoWriteRequest, EchoWriteResponse, "echo", d="on time")
        assert response.r == "on time"
        assert client.stray == 1

    loop.run(main())


def test_an_answer_to_another_command_is_refused(loop: VirtualEventLoop, server: SmpServer) -> None:
    async def main() -> None:
        client = SmpClient(Wire(server))
        honest = server.send

        def dishonest(message: bytes) -> None:
            fields = list(HEADER.unpack_from(message))
            fields[3] = 1
            honest(HEADER.pack(*fields) + message[HEADER.size :])

        server.send = dishonest
        with pytest.raises(SmpProtocolError, match="to group 1 command 0"):
            await client.request(EchoWriteRequest, EchoWriteResponse, "echo", d="x")

    loop.run(main())


def test_a_lost_link_fails_what_is_in_flight_at_once(loop: VirtualEventLoop, server: SmpServer) -> None:
    async def main() -> None:
        wire = Wire(server)
        client = SmpClient(wire)
        loop.call_later(0.01, wire.cut)
        with pytest.raises(LinkLost, match="echo"):
            await client.request(EchoWriteRequest, EchoWriteResponse, "echo", d="x", timeout_s=100)
        assert loop.time() < 1

    loop.run(main())


def test_cancelling_a_request_forgets_it(loop: VirtualEventLoop, server: SmpServer) -> None:
    async def main() -> None:
        client = SmpClient(Wire(server))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await client.request(EchoWriteRequest, EchoWriteResponse, "echo", d="x")
        assert client.in_flight == 0

    loop.run(main())


@quick
@given(st.binary(max_size=200))
def test_any_payload_is_decoded_or_refused(payload: bytes) -> None:
    try:
        decode(answer(payload), ImageUploadWriteResponse, "image upload")
    except SmpError as error:
        assert str(error).startswith("image upload: ")


@quick
@given(
    st.dictionaries(
        st.sampled_from(["off", "match", "rc", "err", "rsn", "images", "header", "sequence", "version"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | words | st.binary(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_any_map_is_decoded_or_refused(payload: dict[str, Any]) -> None:
    for kind in (ImageUploadWriteResponse, ImageStatesReadResponse):
        try:
            decode(answer(payload), kind, "image upload")
        except SmpError as error:
            assert str(error).startswith("image upload: ")


def test_fields_of_a_newer_device_are_ignored() -> None:
    response = decode(answer({"off": 7, "speed": 3}), ImageUploadWriteResponse, "upload")
    assert response.off == 7
    decode(answer({"rc": 0}, group=0, command=5), ResetWriteResponse, "reset")


@pytest.mark.parametrize(("group", "codes"), [(None, MGMT_ERR), (0, OS_MGMT_RET_RC), (1, IMG_MGMT_ERR)])
def test_every_code_of_the_smp_package_has_its_exception(group: int | None, codes: Any) -> None:
    for code in codes:
        if code in (0, 256):
            continue
        payload = {"rc": int(code)} if group is None else {"err": {"group": group, "rc": int(code)}}
        with pytest.raises(SmpResultError) as caught:
            decode(answer(payload), ImageUploadWriteResponse, "upload")
        assert caught.value.name == code.name
        assert type(caught.value) is not SmpResultError
        assert isinstance(caught.value, DeviceError)
        assert f"{int(code)}, {code.name}" in str(caught.value)


def test_codes_newer_than_the_smp_package() -> None:
    assert type(result_error("x", 1, 34)) is errors.ImageActiveSlotNotKnown
    assert type(result_error("x", 0, 6)) is errors.OsValueNotValid
    assert str(result_error("x", 9, 99)) == (
        "x: the device refused with a code this program does not know (group 9 result 99)"
    )
    assert isinstance(result_error("x", 1, 999), errors.ImageError)


def test_a_reason_is_told() -> None:
    with pytest.raises(MgmtNotSupported, match="it says: 'not built in'"):
        decode(answer({"rc": 8, "rsn": "not built in"}), ImageUploadWriteResponse, "upload")
