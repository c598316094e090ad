"""The image group: slots, upload, resume after a cut anywhere, battery, test and confirm."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import pytest

from tests.firmware.host_device import (
    CONSOLE,
    POWER_CUT,
    PRIMARY,
    PRIMARY_SIZE,
    RESET,
    SECONDARY,
    SECONDARY_SIZE,
    SETTINGS,
    SETTINGS_SIZE,
    TRAILER_MAGIC,
    UPDATE,
    Controller,
    HostDevice,
)
from tests.firmware.smp_wire import ask, message, notifications, send, subscribe, take_log
from tests.firmware.test_app_smp import ask_console, frame

DEVICE_GROUP, BATTERY_LOW, SUPPLY_LOW = 64, 2, 3


@dataclass(frozen=True)
class Image:
    data: bytes
    hash: bytes

    @property
    def sha(self) -> bytes:
        return hashlib.sha256(self.data).digest()


def make_image(size: int = 9000, version: tuple[int, int, int, int] = (1, 2, 3, 4), seed: int = 1) -> Image:
    payload = bytes((seed * n * 7 + n // 256) & 0xFF for n in range(size))
    header = struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 32, 0, size, 0, *version)
    digest = hashlib.sha256(header + payload).digest()
    tlvs = struct.pack("<HHHH", 0x6907, 8 + 32, 0x10, 32) + digest
    return Image(header + payload + tlvs, digest)


OLD = make_image(5000, (1, 0, 0, 0))


def begin(device: HostDevice) -> Controller:
    assert device.start() == 0
    link = Controller(device)
    link.settle()
    link.connect()
    link.request(b"\x02\xf2\x01")
    subscribe(link)
    return link


def upload_message(image: Image, offset: int, size: int, change: dict[str, Any] | None = None) -> bytes:
    body: dict[str, Any] = {"off": offset, "data": image.data[offset : offset + size]}
    if offset == 0:
        body |= {"len": len(image.data), "sha": image.sha, "image": 0}
    return message(1, 1, body | (change or {}), write=True)


def upload(link: Controller, image: Image, size: int = 1001, until: int | None = None) -> dict[str, Any]:
    """Uploads from wherever the device says; returns the last answer."""
    answer = ask(link, upload_message(image, 0, size), 498)
    while "off" in answer and answer["off"] < (len(image.data) if until is None else until):
        answer = ask(link, upload_message(image, answer["off"], size), 498)
    return dict(answer)


def slots(link: Controller) -> list[dict[str, Any]]:
    answer = ask(link, message(1, 0), 498)
    return list(answer["images"])


@pytest.fixture
def running(device: HostDevice) -> HostDevice:
    device.flash(PRIMARY, OLD.data)
    return device


@pytest.mark.parametrize("size", [1, 31, 32, 4095, 4096 - 72, 9000, 40_001])
def test_an_upload_of_any_length_ends_with_the_image_in_the_second_page(
    running: HostDevice, size: int
) -> None:
    link = begin(running)
    image = make_image(size)
    assert upload(link, image) == {"off": len(image.data), "match": True}
    assert running.read(UPDATE, len(image.data)) == image.data
    assert slots(link)[1] == {
        "image": 0,
        "slot": 1,
        "version": "1.2.3.4",
        "hash": image.hash,
        "bootable": True,
        "pending": False,
        "confirmed": False,
        "active": False,
        "permanent": False,
    }


@pytest.mark.parametrize("size", [33, 500, 2400])
def test_chunks_of_any_length_are_put_together(running: HostDevice, size: int) -> None:
    link = begin(running)
    image = make_image()
    assert upload(link, image, size)["match"] is True
    assert running.read(UPDATE, len(image.data)) == image.data


@pytest.mark.parametrize("polls", range(1, 16))
@pytest.mark.parametrize("step", [256, 255])
def test_another_client_between_two_pieces_of_a_request(running: HostDevice, polls: int, step: int) -> None:
    """A request is taken piece by piece; the console asks in between, at an offset that is wanted just then or is not.

    SMP has no sessions: what comes at the right offset is taken, whoever sends it. The hash tells.
    """
    link = begin(running)
    image = make_image()
    send(link, upload_message(image, 0, 2400), 498)
    running.run(polls=polls)
    for offset in range(step, 2400, step):
        running.put(CONSOLE, frame(upload_message(make_image(seed=2), offset, 100)))
        running.run(polls=1)
    link.settle()
    running.take(CONSOLE)
    notifications(link)
    whole = upload(link, image)["match"]
    assert whole is (running.read(UPDATE, len(image.data)) == image.data)
    assert whole or step == 256
    assert upload(link, image)["match"] is True


@pytest.mark.parametrize("polls", range(1, 16))
def test_a_link_lost_between_two_pieces_of_a_request_leaves_nothing_behind(
    running: HostDevice, polls: int
) -> None:
    link = begin(running)
    image = make_image()
    send(link, upload_message(image, 0, 2400), 498)
    running.run(polls=polls)
    link.disconnect()
    link.received()  # the answer, when all of the pieces had been taken by then
    link.connect()
    link.request(b"\x02\xf2\x01")
    subscribe(link)
    other = make_image(seed=2)
    assert upload(link, other, 2400)["match"] is True
    assert running.read(UPDATE, len(other.data)) == other.data


def test_the_radio_is_served_between_two_pieces_of_a_request(running: HostDevice) -> None:
    link = begin(running)
    send(link, upload_message(make_image(), 0, 2400), 498)
    link.send(4, b"\x0a" + struct.pack("<H", 3))  # ATT_READ_REQ of the device's name
    link.settle()
    first, *others = link.received()
    assert first[1][0] == 0x0B  # its response comes before the notification of the upload's answer
    assert others


def test_an_upload_after_an_erase_erases_nothing_more(running: HostDevice) -> None:
    link = begin(running)
    assert upload(link, make_image())["match"] is True
    assert ask(link, message(1, 5, write=True), 498) == {}
    erases = [running.page_erases(page) for page in range(SETTINGS, SETTINGS + SETTINGS_SIZE, 4096)]
    assert upload(link, make_image(seed=3))["match"] is True
    assert [running.page_erases(page) for page in range(SETTINGS, SETTINGS + SETTINGS_SIZE, 4096)] == erases
    # And the one after that does not trust the page of the record that it replaces.
    assert upload(link, make_image(seed=4))["match"] is True
    assert sum(running.page_erases(page) for page in range(SETTINGS, SETTINGS + SETTINGS_SIZE, 4096)) > sum(
        erases
    )


def test_an_upload_erases_what_was_there(running: HostDevice) -> None:
    running.flash(SECONDARY, bytes(SECONDARY_SIZE))
    link = begin(running)
    image = make_image()
    assert upload(link, image)["match"] is True
    assert running.read(SECONDARY, 4096) == b"\xff" * 4096
    assert running.read(SECONDARY + SECONDARY_SIZE - 4096, 4096) == b"\xff" * 4096


def test_a_wrong_offset_is_answered_with_the_right_one(running: HostDevice) -> None:
    link = begin(running)
    image = make_image()
    assert upload(link, image, until=2002)["off"] == 2002
    for wrong in (1, 1001, 2001, 2003, 3003, 0xFFFFFFFE):
        assert ask(link, upload_message(image, wrong, 100), 498) == {"off": 2002}
    assert upload(link, image)["match"] is True


def test_the_same_upload_goes_on_where_it_was_after_a_dropped_link(running: HostDevice) -> None:
    link = begin(running)
    image = make_image()
    upload(link, image, until=5005)
    link.disconnect()
    link.connect()
    link.request(b"\x02\xf2\x01")
    subscribe(link)
    assert ask(link, upload_message(image, 0, 32), 498) == {"off": 5005}
    assert upload(link, image)["match"] is True


def test_another_upload_starts_anew(running: HostDevice) -> None:
    link = begin(running)
    upload(link, make_image(), until=5005)
    other = make_image(seed=3)
    assert ask(link, upload_message(other, 0, 100), 498) == {"off": 100}
    assert upload(link, other)["match"] is True
    assert running.read(UPDATE, len(other.data)) == other.data


def test_an_upload_that_is_there_already_is_not_sent_again(running: HostDevice) -> None:
    link = begin(running)
    image = make_image()
    upload(link, image)
    operations = running.flash_operations()
    assert ask(link, upload_message(image, 0, 100), 498) == {"off": len(image.data), "match": True}
    assert running.flash_operations() == operations


def test_a_wrong_hash_of_the_whole_is_told_and_forgotten(running: HostDevice) -> None:
    link = begin(running)
    image = make_image(1000)
    wrong = Image(image.data, image.hash)
    body = {"off": 0, "len": len(image.data), "sha": b"\x01" * 32, "data": image.data}
    assert ask(link, message(1, 1, body, write=True), 498) == {"off": len(image.data), "match": False}
    assert upload(link, wrong)["match"] is True


def test_an_upload_without_a_hash_is_taken(running: HostDevice) -> None:
    link = begin(running)
    image = make_image(1000)
    body = {"off": 0, "len": len(image.data), "data": image.data}
    assert ask(link, message(1, 1, body, write=True), 498) == {"off": len(image.data)}


def test_an_upload_goes_on_after_a_power_cut_at_any_flash_operation(running: HostDevice) -> None:
    """The device comes up, resumes at a whole page, and the image is right in the end."""
    image = make_image(8000)
    link = begin(running)
    before = running.flash_operations()
    upload(link, image)
    total = running.flash_operations() - before
    assert total > 2000
    for cut in [*range(0, 60), *range(60, total, 97), *range(total - 20, total)]:
        running.erase_flash()
        running.flash(PRIMARY, OLD.data)
        running.flash(SECONDARY, b"\x5a" * SECONDARY_SIZE)
        link = begin(running)
        running.cut_after(cut)
        stopped = 0
        offset = 0
        while not stopped and offset < len(image.data):
            link.send(4, b"\x52\x16\x00" + upload_message(image, offset, 480))
            stopped = link.settle()
            offset += 480
            link.acl.clear()
        if cut < total - 1 and offset < len(image.data):
            assert stopped == POWER_CUT
        link = begin(running)
        first = ask(link, upload_message(image, 0, 400), 498)
        assert first["off"] in (400, len(image.data)) or first["off"] % 4096 == 0
        assert upload(link, image) == {"off": len(image.data), "match": True}
        assert running.read(UPDATE, len(image.data)) == image.data


TRAILER_PAGE = SECONDARY + SECONDARY_SIZE - 4096


def cut_then_blank(device: HostDevice, page: int) -> Controller:
    """A power-on after a cut that stopped the erase of ``page``: it reads erased, this once."""
    device.flash(page, b"\xff" * 4096)
    return begin(device)


@pytest.mark.parametrize("seed", [1, 3])
def test_pages_that_read_erased_after_a_cut_in_the_beginning_are_erased_again(
    running: HostDevice, seed: int
) -> None:
    """The upload that begins next is the same, or another."""
    link = begin(running)
    cut = 0
    while running.page_erases(SECONDARY) == 0:
        running.erase_flash()
        running.flash(PRIMARY, OLD.data)
        running.flash(SECONDARY, bytes(SECONDARY_SIZE))
        link = begin(running)
        running.cut_after(cut)
        send(link, upload_message(make_image(), 0, 400), 498)
        assert link.settle() == POWER_CUT
        cut += 1
    assert running.page_erases(TRAILER_PAGE) == 1
    link = begin(running)
    assert upload(link, make_image(seed=seed))["match"] is True
    assert running.page_erases(TRAILER_PAGE) == 1
    assert running.page_erases(SECONDARY) == 1


@pytest.mark.parametrize("starts", [1, 2])
def test_a_page_that_reads_erased_after_a_cut_is_erased_again_for_another_upload(
    running: HostDevice, starts: int
) -> None:
    upload(begin(running), make_image(30_000), until=10_000)
    for _ in range(starts):
        link = cut_then_blank(running, UPDATE + 2 * 4096)
    assert upload(link, make_image(2000, seed=3))["match"] is True
    assert running.page_erases(UPDATE + 2 * 4096) == 0
    link = begin(running)
    assert upload(link, make_image(30_000, seed=5))["match"] is True
    assert running.page_erases(UPDATE + 2 * 4096) == 1


def test_a_page_that_reads_erased_after_a_cut_is_erased_again_after_an_upload_without_a_hash(
    running: HostDevice,
) -> None:
    image = make_image()
    link = begin(running)
    ask(link, message(1, 1, {"off": 0, "len": len(image.data), "data": image.data[:400]}, write=True), 498)
    link = cut_then_blank(running, UPDATE)
    assert upload(link, image)["match"] is True
    assert running.page_erases(UPDATE) == 1


@pytest.mark.parametrize("starts", [1, 2])
@pytest.mark.parametrize("then_erase", [False, True])
def test_a_page_that_reads_erased_after_a_cut_in_an_erase_is_erased_again(
    running: HostDevice, starts: int, then_erase: bool
) -> None:
    running.flash(SECONDARY, bytes(SECONDARY_SIZE))
    link = begin(running)
    send(link, message(1, 5, write=True))
    running.run(polls=20)
    assert running.read(UPDATE, 8192) == b"\xff" * 8192
    for _ in range(starts):
        link = cut_then_blank(running, UPDATE + 4096)
    if then_erase:
        assert ask(link, message(1, 5, write=True), 498) == {}
    else:
        assert upload(link, make_image())["match"] is True
    assert running.page_erases(UPDATE + 4096) == 1


def test_a_page_of_a_slot_erased_whole_is_not_erased_again(running: HostDevice) -> None:
    image = make_image(30_000)
    upload(begin(running), image, until=10_000)
    link = begin(running)
    assert ask(link, message(1, 5, write=True), 498) == {}
    link = begin(running)
    assert upload(link, image)["match"] is True
    assert running.page_erases(UPDATE) == running.page_erases(TRAILER_PAGE) == 0


def test_the_resumed_offset_is_the_last_whole_page(running: HostDevice) -> None:
    image = make_image(30_000)
    link = begin(running)
    upload(link, image, until=20_000)
    link = begin(running)
    assert ask(link, upload_message(image, 0, 100), 498) == {"off": 16_384}
    assert upload(link, image)["match"] is True


def test_a_resume_is_not_offered_where_the_slot_was_changed(running: HostDevice) -> None:
    image = make_image(30_000)
    upload(begin(running), image, until=20_000)
    running.flash(UPDATE, b"\xff" * 4096)
    link = begin(running)
    assert ask(link, upload_message(image, 0, 100), 498) == {"off": 100}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"image": 1}, 14),
        ({"data": b"\x3d\xb8\xf3\x96"}, 22),
        ({"len": 31}, 21),
        ({"data": bytes(64)}, 23),
        ({"len": 0x72001}, 30),
        ({"len": 0xFFFFFFFE}, 30),
        ({"len": 64}, 31),
        ({"sha": bytes(33)}, 24),
    ],
)
def test_a_bad_first_request_is_refused_and_changes_nothing(
    running: HostDevice, change: dict[str, Any], error: int
) -> None:
    link = begin(running)
    operations = running.flash_operations()
    answer = ask(link, upload_message(make_image(), 0, 200, change), 498)
    assert answer == {"err": {"group": 1, "rc": error}}
    assert running.flash_operations() == operations


def test_a_request_without_an_offset_or_with_too_much_is_refused(running: HostDevice) -> None:
    link = begin(running)
    image = make_image(1000)
    assert ask(link, message(1, 1, {"data": b"x"}, write=True)) == {"err": {"group": 1, "rc": 20}}
    body = {"off": 0, "data": image.data[:200], "sha": image.sha}
    assert ask(link, message(1, 1, body, write=True), 498) == {"err": {"group": 1, "rc": 21}}
    upload(link, image, until=500)
    answer = ask(link, message(1, 1, {"off": 1001, "data": bytes(200)}, write=True), 498)
    assert answer == {"off": 1001} or answer == {"err": {"group": 1, "rc": 31}}


@pytest.mark.parametrize(
    ("version", "accepted"), [((1, 0, 0, 0), False), ((0, 9, 9, 9), False), ((1, 0, 0, 1), True)]
)
def test_only_a_newer_version_is_an_upgrade(
    running: HostDevice, version: tuple[int, int, int, int], accepted: bool
) -> None:
    link = begin(running)
    answer = ask(link, upload_message(make_image(1000, version), 0, 200, {"upgrade": True}), 498)
    assert answer == ({"off": 200} if accepted else {"err": {"group": 1, "rc": 27}})


def test_a_low_battery_refuses_the_start_and_the_rest_and_allows_both_when_it_is_back(
    running: HostDevice,
) -> None:
    link = begin(running)
    image = make_image()
    running.set_supply(2199)
    assert upload(link, image) == {"err": {"group": DEVICE_GROUP, "rc": BATTERY_LOW}}
    assert ask(link, message(1, 5, write=True)) == {"err": {"group": DEVICE_GROUP, "rc": BATTERY_LOW}}
    assert running.flash_operations() == 0
    running.set_supply(2200)
    assert upload(link, image, until=5005)["off"] == 5005
    running.set_supply(2100)
    assert upload(link, image) == {"err": {"group": DEVICE_GROUP, "rc": BATTERY_LOW}}
    body = {"off": 5005, "data": b"x"}
    assert ask(link, message(1, 1, body, write=True, version=0)) == {"rc": 6}
    running.set_supply(2300)
    assert upload(link, image)["match"] is True


def test_the_thresholds_come_from_the_bootloader(running: HostDevice) -> None:
    info = struct.pack(
        "<IHHBBBBHHIII4s", 0x49424C48, 1, 76, 0, 1, 50, 15, 2400, 3000, 0, 7, 4000, b"\x01\0\0\0"
    )
    info += struct.pack("<BBHIIBBBB", 1, 0, 0, 0, 0, 1, 0, 1, 1) + bytes(16)
    running.flash(0x2003FF00, info + struct.pack("<I", zlib.crc32(info)))
    link = begin(running)
    running.set_supply(2690)
    assert upload(link, make_image()) == {"err": {"group": DEVICE_GROUP, "rc": BATTERY_LOW}}
    running.set_supply(2700)
    assert upload(link, make_image())["match"] is True


def test_nothing_is_written_while_the_supply_warns(running: HostDevice) -> None:
    link = begin(running)
    image = make_image()
    upload(link, image, until=5005)
    running.set_supply(3000, warns=True)
    answer = ask(link, upload_message(image, 5005, 400), 498)
    assert answer == {"err": {"group": DEVICE_GROUP, "rc": SUPPLY_LOW}}
    running.set_supply(3000)
    assert upload(link, image)["match"] is True


@pytest.mark.parametrize("confirm", [False, True])
def test_a_test_or_confirmation_writes_the_trailer_the_bootloader_reads(
    running: HostDevice, confirm: bool
) -> None:
    link = begin(running)
    image = make_image()
    upload(link, image)
    answer = ask(link, message(1, 0, {"hash": image.hash, "confirm": confirm}, write=True), 498)
    assert answer["images"][1]["pending"] is True
    assert answer["images"][1]["permanent"] is confirm
    end = running.read(SECONDARY + SECONDARY_SIZE - 40, 40)
    assert end[24:] == TRAILER_MAGIC
    assert end[0] == (3 if confirm else 2)
    assert end[16] == (1 if confirm else 0xFF)
    # The slot is taken now.
    assert upload(link, make_image(seed=5)) == {"err": {"group": 1, "rc": 9}}
    assert ask(link, message(1, 5, write=True)) == {"err": {"group": 1, "rc": 9}}
    assert ask(link, message(1, 0, {"confirm": True}, write=True)) == {"err": {"group": 1, "rc": 28}}


def test_a_cut_while_marking_leaves_the_update_marked_or_not_but_nothing_between(running: HostDevice) -> None:
    image = make_image()
    for cut in range(9):
        running.erase_flash()
        running.flash(PRIMARY, OLD.data)
        link = begin(running)
        upload(link, image)
        running.cut_after(cut)
        link.send(4, b"\x52\x16\x00" + message(1, 0, {"hash": image.hash, "confirm": True}, write=True))
        stopped = link.settle()
        link = begin(running)
        slot = slots(link)[1]
        assert slot["pending"] is slot["permanent"] is (stopped == 0)
        ask(link, message(1, 0, {"hash": image.hash, "confirm": True}, write=True), 498)
        assert slots(link)[1]["permanent"] is True


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("then", [False, True])
def test_a_request_that_a_cut_left_half_written_does_not_touch_the_next(
    running: HostDevice, first: bool, then: bool
) -> None:
    image = make_image()
    stopped = POWER_CUT
    cut = 0
    while stopped:
        running.erase_flash()
        running.flash(PRIMARY, OLD.data)
        link = begin(running)
        upload(link, image)
        running.cut_after(cut)
        send(link, message(1, 0, {"hash": image.hash, "confirm": first}, write=True), 498)
        stopped = link.settle()
        if stopped:
            link = begin(running)
            answer = ask(link, message(1, 0, {"hash": image.hash, "confirm": then}, write=True), 498)
            assert answer["images"][1]["permanent"] is then
            trailer = running.read(SECONDARY + SECONDARY_SIZE - 40, 40)
            assert trailer[0] == (3 if then else 2)
            assert trailer[16] == (1 if then else 0xFF)
            assert trailer[24:] == TRAILER_MAGIC
        cut += 1
    assert cut > 5


def test_state_requests_that_make_no_sense_are_refused(running: HostDevice) -> None:
    link = begin(running)
    running_hash = OLD.hash

    def state(body: dict[str, Any], version: int = 1) -> Any:
        return ask(link, message(1, 0, body, write=True, version=version), 498)

    assert state({"hash": b"\x01" * 32}) == {"err": {"group": 1, "rc": 8}}
    assert state({"hash": b"\x01" * 32}, 0) == {"rc": 5}
    assert state({"hash": b"\x01" * 31}) == {"err": {"group": 1, "rc": 24}}
    assert state({"confirm": False}) == {"err": {"group": 1, "rc": 24}}
    assert state({"hash": running_hash}) == {"err": {"group": 1, "rc": 33}}
    assert state({"hash": "text"}) == {"rc": 3}
    assert len(state({"hash": None, "confirm": True})["images"]) == 1
    assert state({"hash": running_hash, "confirm": True})["images"][0]["confirmed"] is True


def test_an_erase_empties_the_slot_page_by_page(running: HostDevice) -> None:
    link = begin(running)
    upload(link, make_image())
    assert ask(link, message(1, 5, write=True), 498) == {}
    assert running.read(SECONDARY, SECONDARY_SIZE) == b"\xff" * SECONDARY_SIZE
    assert len(slots(link)) == 1
    assert ask(link, message(1, 5, {"slot": 0}, write=True)) == {"err": {"group": 1, "rc": 9}}
    assert ask(link, message(1, 5, {"slot": 2}, write=True)) == {"err": {"group": 1, "rc": 14}}


def test_an_erase_whose_client_has_gone_does_not_block_the_next_upload(running: HostDevice) -> None:
    running.flash(SECONDARY, bytes(SECONDARY_SIZE - 4096))
    link = begin(running)
    send(link, message(1, 5, write=True))
    running.run(polls=20)
    assert running.read(SECONDARY, 4096) == b"\xff" * 4096
    assert running.read(SECONDARY + SECONDARY_SIZE - 8192, 4096) == bytes(4096)
    link.disconnect()
    link.connect()
    link.request(b"\x02\xf2\x01")
    subscribe(link)
    assert upload(link, make_image())["match"] is True


def on_trial(device: HostDevice, image: Image) -> None:
    """As the bootloader leaves the flash after a test swap."""
    device.flash(PRIMARY, image.data)
    device.flash(PRIMARY + PRIMARY_SIZE - 40, b"\x02" + b"\xff" * 7 + b"\x01" + b"\xff" * 15 + TRAILER_MAGIC)
    device.flash(SECONDARY, make_image(4000, (1, 0, 0, 0)).data)


def test_an_image_on_trial_tests_and_confirms_itself(device: HostDevice) -> None:
    on_trial(device, make_image(5000, (2, 0, 0, 0)))
    device.start()
    link = Controller(device)
    assert link.settle() == 0
    assert device.read(PRIMARY + PRIMARY_SIZE - 24, 8) == b"\x01" + b"\xff" * 7
    assert "self-test passed, image confirmed" in take_log(link)


def test_an_image_on_trial_without_a_controller_gives_up(device: HostDevice) -> None:
    on_trial(device, make_image(5000, (2, 0, 0, 0)))
    device.start()
    assert device.run() == 0
    assert device.run(after_ms=9_999) == 0
    assert device.run(after_ms=2) == RESET
    assert device.read(PRIMARY + PRIMARY_SIZE - 24, 1) == b"\xff"


def test_an_image_on_trial_that_is_damaged_gives_up(device: HostDevice) -> None:
    image = make_image(5000, (2, 0, 0, 0))
    on_trial(device, Image(image.data[:2000] + b"\x00" + image.data[2001:], image.hash))
    assert image.data[2000] != 0
    device.start()
    assert device.run() == RESET


def test_while_on_trial_the_fallback_is_shown_and_kept(device: HostDevice) -> None:
    on_trial(device, make_image(5000, (2, 0, 0, 0)))
    device.start()
    device.put(0, b"")
    link = Controller(device)
    # The controller answers nothing yet, so the self-test waits; the console serves meanwhile.
    device.run()
    device.take(0)
    answer: Any = ask_console(device, frame(message(1, 0)))
    active, fallback = answer["images"]
    assert (active["version"], active["active"], active["confirmed"]) == ("2.0.0", True, False)
    assert (fallback["version"], fallback["confirmed"]) == ("1.0.0", True)
    update = message(1, 1, {"off": 0, "len": 200, "data": make_image().data[:100]}, write=True)
    assert ask_console(device, frame(update)) == {"err": {"group": 1, "rc": 9}}
    answer = ask_console(device, frame(message(1, 0, {"confirm": True}, write=True)))
    assert answer["images"][0]["confirmed"] is True
    assert link.commands == []


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 32, 0, 0xFFFFFFFF, 0, 1, 0, 0, 0),
        struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 0xFFFF, 0xFFFF, 0x72000, 0, 1, 0, 0, 0),
        struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 31, 0, 100, 0, 1, 0, 0, 0),
        struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 32, 0, 0x71FE0, 0, 1, 0, 0, 0),
        struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 32, 0, 0, 0, 1, 0, 0, 0)
        + struct.pack("<HHHH", 0x6907, 0xFFFF, 0x10, 0xFFFF),
        struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 32, 0, 0, 0, 1, 0, 0, 0)
        + struct.pack("<HHHH", 0x6907, 6, 0x10, 32),
        struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 32, 0, 0, 0, 1, 0, 0, 0) + struct.pack("<HH", 0x6907, 0),
    ],
)
def test_an_image_with_impossible_lengths_has_no_hash_and_does_no_harm(
    running: HostDevice, header: bytes
) -> None:
    running.flash(UPDATE, header)
    link = begin(running)
    found = slots(link)
    assert all("hash" not in slot for slot in found[1:])
