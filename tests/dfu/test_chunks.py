"""The reckoning of how much image fits a request, against the requests themselves."""

from __future__ import annotations

import pytest
from smp.image_management import ImageUploadWriteRequest

from hil.dfu.chunks import later_capacity, least_message_octets


def request_length(offset: int, data: bytes) -> int:
    return len(bytes(ImageUploadWriteRequest(sequence=0, off=offset, data=data)))


@pytest.mark.parametrize("limit", [64, 256, 300, 2475])
@pytest.mark.parametrize("offset", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_a_request_is_filled_and_not_overfilled(limit: int, offset: int) -> None:
    capacity = later_capacity(limit, offset)
    assert request_length(offset, bytes(capacity)) <= limit < request_length(offset, bytes(capacity + 1))


@pytest.mark.parametrize("limit", [64, 2460, 2475])
def test_the_least_octets_of_an_upload_are_not_more_than_its_requests_take(limit: int) -> None:
    total, offset, octets = 66_000, 0, 0
    while offset < total:
        data = bytes(min(later_capacity(limit, offset), total - offset))
        octets += request_length(offset, data)
        offset += len(data)
    assert 0.9 * octets < least_message_octets(total, limit) <= octets


def test_requests_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match="no room for data"):
        least_message_octets(100, 19)
