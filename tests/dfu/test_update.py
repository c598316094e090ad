"""The transfer engine and the facade, against a server that holds them to the protocol."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.dfu.errors import (
    BatteryLow,
    ImageCurrentVersionIsNewer,
    ImageTooLarge,
    LinkLost,
    MgmtBusy,
    SmpResultError,
    SmpTimeout,
    TransferError,
)
from hil.dfu.transfer import Progress
from hil.dfu.update import Update, UpdateNotTaken
from hil.errors import InputError
from hil.virtual.kernel import Kernel
from hil.virtual.wire.loop import VirtualEventLoop
from tests.dfu.conftest import Image, WireReach
from tests.dfu.smp_server import SmpServer


def uploads(server: SmpServer) -> list[dict[str, Any]]:
    return [payload for _, group, command, payload in server.requests if (group, command) == (1, 1)]


def test_an_upload_is_whole_and_keeps_within_the_buffers(
    update: Update, server: SmpServer, image: Image
) -> None:
    outcome = update.start(image).run()
    assert bytes(server.received) == image.data
    assert server.violations == []
    assert (outcome.bytes, outcome.resent_bytes, outcome.stalls, outcome.window) == (60_001, 0, 0, 3)
    first = uploads(server)[0]
    assert first["len"] == 60_001
    assert first["sha"] == hashlib.sha256(image.data).digest()


def test_the_window_hides_the_round_trip(loop: VirtualEventLoop, server: SmpServer, image: Image) -> None:
    reach = WireReach(server, latency=0.015)
    stop_and_wait = Update(loop.run, reach, window=1).start(image).run()
    server.upload_sha = b""
    windowed = Update(loop.run, reach).start(image).run()
    assert windowed.goodput_bytes_per_s > 0.88 * 90_000
    assert stop_and_wait.goodput_bytes_per_s < 0.6 * windowed.goodput_bytes_per_s


def test_requests_fill_the_buffer(update: Update, server: SmpServer, image: Image) -> None:
    lengths: list[int] = []
    feed = server._accept
    server._accept = lambda message: (lengths.append(len(message)), feed(message))[1]  # type: ignore[method-assign]
    update.start(image).run()
    assert max(lengths) == server.buf_size
    assert lengths.count(server.buf_size) >= 24


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_a_dropped_link_resumes_within_a_window(
    update: Update, server: SmpServer, reach: WireReach, image: Image, fraction: float
) -> None:
    transfer = update.start(image)
    transfer.run_until(fraction=fraction)
    assert transfer.offset == max(round(fraction * transfer.total), 2408)  # the first request's data
    assert transfer._upload._in_flight
    transfer.drop_link()
    kept = len(server.received)
    outcome = update.resume(transfer)
    assert bytes(server.received) == image.data
    # A request that the device had begun, it finished.
    assert kept <= outcome.start_offset <= kept + 2475
    assert outcome.resent_bytes <= transfer.window_bytes
    assert len(reach.wires) == 2
    assert transfer.is_complete


def test_a_resume_sends_the_header_only_to_ask(update: Update, server: SmpServer, image: Image) -> None:
    transfer = update.start(image)
    transfer.run_until(offset=20_000)
    transfer.drop_link()
    before = len(uploads(server))
    update.resume(transfer)
    question = next(payload for payload in uploads(server)[before:] if payload["off"] == 0)
    assert len(question["data"]) == 32


def test_a_device_that_forgot_starts_afresh(update: Update, server: SmpServer, image: Image) -> None:
    transfer = update.start(image)
    transfer.run_until(offset=20_000)
    transfer.drop_link()
    server.received.clear()
    server.upload_sha = b""
    outcome = update.resume(transfer)
    assert bytes(server.received) == image.data
    assert outcome.resent_bytes >= 20_000 - 32


@pytest.mark.parametrize("forgets_complete", [False, True])
def test_an_image_that_is_there_costs_one_window(
    update: Update, server: SmpServer, image: Image, forgets_complete: bool
) -> None:
    server.forgets_complete = forgets_complete
    update.start(image).run()
    before = len(uploads(server))
    transfer = update.start(image)
    assert transfer.is_complete
    assert transfer.run().bytes == 0
    assert len(uploads(server)) <= before + server.buf_count - 1


def test_progress_is_monotonic_and_ends_complete(update: Update, image: Image) -> None:
    seen: list[Progress] = []
    update.start(image, on_progress=seen.append).run()
    offsets = [progress.offset for progress in seen]
    assert offsets == sorted(offsets)
    assert seen[-1].fraction == 1.0
    assert seen[-1].goodput_bytes_per_s > 50_000


def test_a_link_lost_in_the_middle_is_reported_and_resumable(
    loop: VirtualEventLoop, update: Update, server: SmpServer, reach: WireReach, image: Image
) -> None:
    transfer = update.start(image)
    loop.call_later(0.2, reach.wires[-1].cut)
    with pytest.raises(LinkLost, match="image upload"):
        transfer.run()
    assert 0 < transfer.offset < transfer.total
    update.resume(transfer)
    assert bytes(server.received) == image.data


@given(
    # The first request of the upload is sent twice at most: a device that hears neither is told as silent.
    lost=st.sets(st.integers(2, 40), max_size=3).filter(lambda lost: not {2, 3} <= lost),
    buf_size=st.integers(160, 3000),
    buf_count=st.integers(1, 6),
    size=st.integers(32, 20_000),
    fragment=st.integers(20, 512),
)
@settings(max_examples=30, deadline=None)
def test_lost_requests_never_corrupt(
    lost: set[int], buf_size: int, buf_count: int, size: int, fragment: int
) -> None:
    server = SmpServer(lambda _: None, buf_size=buf_size, buf_count=buf_count, seconds_per_byte=1e-5)
    server.swallow = lost.__contains__
    loop = VirtualEventLoop(Kernel())
    image = Image(bytes(i * 7 & 0xFF for i in range(size)))
    try:
        outcome = Update(loop.run, WireReach(server, fragment=fragment)).start(image).run()
    finally:
        loop.close()
    assert bytes(server.received) == image.data
    assert server.violations == []
    assert outcome.end_offset == size


def test_a_silent_device_ends_in_a_timeout(update: Update, server: SmpServer, image: Image) -> None:
    transfer = update.start(image)
    server.swallow = lambda _: True
    with pytest.raises(SmpTimeout, match="no answer within 10 s"):
        transfer.run()


def test_a_device_that_stays_at_an_offset_ends_in_an_error(
    update: Update, server: SmpServer, image: Image
) -> None:
    server.fail = lambda group, command, payload: (
        {"off": 5000} if (group, command) == (1, 1) and payload["off"] > 0 else None
    )
    with pytest.raises(TransferError, match=r"wants offset 5000.*no progress"):
        update.start(image).run()


@pytest.mark.parametrize("offset", [-1, 60_002, 1 << 40])
def test_an_impossible_offset_is_refused(
    update: Update, server: SmpServer, image: Image, offset: int
) -> None:
    server.fail = lambda group, command, payload: {"off": offset} if command == 1 else None
    with pytest.raises(TransferError, match="answers offset"):
        update.start(image).run()


def test_a_busy_device_is_waited_for_but_not_for_ever(
    update: Update, server: SmpServer, image: Image
) -> None:
    busy = 2

    def fail(group: int, command: int, payload: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal busy
        if command == 1 and payload["off"] > 30_000 and busy > 0:
            busy -= 1
            return {"rc": 10}
        return None

    server.fail = fail
    assert update.start(image).run().stalls >= 1
    assert bytes(server.received) == image.data
    server.upload_sha = b""
    busy = 10_000
    with pytest.raises(MgmtBusy):
        update.start(image).run()


def test_a_wrong_digest_is_an_error(update: Update, server: SmpServer, image: Image) -> None:
    server.fail = lambda group, command, payload: (
        {"off": 60_001, "match": False} if command == 1 and payload["off"] > 50_000 else None
    )
    with pytest.raises(TransferError, match="SHA-256"):
        update.start(image).run()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"err": {"group": 1, "rc": 27}}, ImageCurrentVersionIsNewer),
        ({"err": {"group": 1, "rc": 30}}, ImageTooLarge),
        ({"err": {"group": 64, "rc": 2}}, BatteryLow),
        ({"err": {"group": 77, "rc": 5}}, SmpResultError),
    ],
)
def test_a_refusal_is_raised_as_what_it_is(
    update: Update, server: SmpServer, image: Image, answer: dict[str, Any], error: type[Exception]
) -> None:
    server.fail = lambda group, command, payload: answer if (group, command) == (1, 1) else None
    with pytest.raises(error, match="image upload"):
        update.start(image)


def test_a_whole_update(
    loop: VirtualEventLoop, update: Update, server: SmpServer, reach: WireReach, image: Image
) -> None:
    old = {"slot": 0, "version": "1.0.0", "hash": bytes(32), "active": True, "confirmed": True}
    new = {"slot": 1, "version": image.version, "hash": image.hash}
    server.slots = [old, new]
    boots = 0

    def reset() -> None:
        nonlocal boots
        boots += 1
        assert new["pending"]
        server.slots = [
            {**new, "slot": 0, "active": True, "pending": False},
            {**old, "slot": 1, "active": False},
        ]
        reach._reset()
        loop.call_later(7.0, server.slots[0].__setitem__, "confirmed", True)

    server.on_reset = reset
    outcome = update.run(image)
    assert boots == 1
    assert outcome.upload.bytes == len(image.data)
    assert outcome.boot_s == pytest.approx(5.0, abs=0.3)
    assert [(state.version, state.active) for state in outcome.states] == [("1.2.3", True), ("1.0.0", False)]


def test_an_update_that_reverts_is_told(update: Update, server: SmpServer, image: Image) -> None:
    server.slots = [
        {"slot": 0, "version": "1.0.0", "hash": bytes(32), "active": True, "confirmed": True},
        {"slot": 1, "version": image.version, "hash": image.hash},
    ]
    with pytest.raises(UpdateNotTaken, match=r"update to 1\.2\.3 the device runs 1\.0\.0"):
        update.run(image)


def test_an_update_that_is_not_confirmed_is_told(update: Update, server: SmpServer, image: Image) -> None:
    server.slots = [{"slot": 0, "version": image.version, "hash": image.hash, "active": True}]
    with pytest.raises(UpdateNotTaken, match="does not confirm it"):
        update.run(image)


def test_commands(update: Update, server: SmpServer) -> None:
    server.slots = [{"slot": 0, "version": "1.0.0", "hash": bytes(32), "active": True}]
    assert update.echo("hello") == "hello"
    parameters = update.parameters()
    assert parameters is not None
    assert (parameters.buf_size, parameters.buf_count) == (2475, 4)
    info = update.bootloader_info()
    assert (info.name, info.mode, info.no_downgrade) == ("MCUboot", 9, True)
    assert update.confirm()[0].confirmed
    update.erase()
    update.reset()
    assert server.resets == 1
    assert str(update.states()[0]).startswith("image 0 slot 0: 1.0.0 00000000 active confirmed")
    update.close()


def test_a_device_without_parameters_gets_one_small_request_at_a_time(
    update: Update, server: SmpServer, image: Image
) -> None:
    server.buf_size, server.buf_count = 256, 1
    server.fail = lambda group, command, payload: {"rc": 8} if (group, command) == (0, 6) else None
    assert update.parameters() is None
    outcome = update.start(image).run()
    assert outcome.window == 1
    assert server.violations == []


def test_a_buffer_too_small_for_the_first_request(update: Update, server: SmpServer, image: Image) -> None:
    server.buf_size = 80
    with pytest.raises(TransferError, match="messages of 80 bytes, too few"):
        update.start(image)


def test_arguments_are_checked(update: Update, image: Image) -> None:
    transfer = update.start(image)
    for arguments in ({}, {"fraction": 0.5, "offset": 1}, {"fraction": 1.5}):
        with pytest.raises(InputError):
            transfer.run_until(**arguments)
    with pytest.raises(InputError, match="empty"):
        update.start(Image(b""))
