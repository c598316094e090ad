"""What a device answers when it refuses: one exception for each SMP result code.

SmpError (DeviceError)
 +- SmpTimeout        no answer in time
 +- LinkLost          the link went down with requests unanswered
 +- SmpProtocolError  an answer that is not SMP, or not the answer to what was asked
 +- TransferError     answers that are each valid but together make no transfer
 +- SmpResultError    the device refused, with a result code
     +- MgmtError     a general code: `rc` (version 1), Zephyr's enum mcumgr_err_t
     +- OsError       OS group (0), Zephyr's enum os_mgmt_err_code_t
     +- ImageError    image group (1), Zephyr's enum img_mgmt_err_code_t

A code that is not in the tables (a newer device, another group, codes from 256 on, which are the
user's) is a plain SmpResultError, or its group's class, with the numbers in its text.
"""

from __future__ import annotations

from typing import ClassVar

from hil.errors import DeviceError


class SmpError(DeviceError):
    """Base of everything that goes wrong on the device's side of an SMP exchange."""


class SmpTimeout(SmpError):
    """The device did not answer in time."""


class LinkLost(SmpError):
    """The link went down while a request was unanswered."""


class SmpProtocolError(SmpError):
    """The device sent something that the protocol does not allow."""


class TransferError(SmpError):
    """The upload cannot make progress, or the device ended it otherwise than it should."""


class SmpResultError(SmpError):
    """The device refused a request. `group` is None for a general (version 1) code."""

    name: ClassVar[str] = ""
    meaning: ClassVar[str] = "the device refused with a code this program does not know"

    def __init__(self, request: str, group: int | None, code: int, reason: str | None = None) -> None:
        where = f"result {code}" if group is None else f"group {group} result {code}"
        label = f"{where}, {self.name}" if self.name else where
        detail = f"; it says: {reason!r}" if reason else ""
        super().__init__(f"{request}: {self.meaning} ({label}){detail}")
        self.group = group
        self.code = code


_classes: dict[tuple[int | None, int], type[SmpResultError]] = {}
_group_classes: dict[int | None, type[SmpResultError]] = {}


def result_error(request: str, group: int | None, code: int, reason: str | None = None) -> SmpResultError:
    """The exception for a result code; `request` says what was asked ("image upload")."""
    kind = _classes.get((group, code)) or _group_classes.get(group, SmpResultError)
    return kind(request, group, code, reason)


class _InGroup(SmpResultError):
    in_group: ClassVar[int | None] = None

    def __init_subclass__(cls, *, group: int | None = None, code: int | None = None) -> None:
        if code is None:
            cls.in_group = group
            _group_classes[group] = cls
        else:
            _classes[cls.in_group, code] = cls


class MgmtError(_InGroup, group=None):
    """A general result code (SMP version 1, and of the protocol itself in version 2)."""


class MgmtUnknown(MgmtError, code=1):
    name = "EUNKNOWN"
    meaning = "the device reports an error it does not name"


class MgmtNoMemory(MgmtError, code=2):
    name = "ENOMEM"
    meaning = "the device has no buffer or memory left for this request"


class MgmtInvalidValue(MgmtError, code=3):
    name = "EINVAL"
    meaning = "the device finds a value in the request invalid"


class MgmtTimeout(MgmtError, code=4):
    name = "ETIMEOUT"
    meaning = "an operation on the device timed out"


class MgmtNoEntry(MgmtError, code=5):
    name = "ENOENT"
    meaning = "the device has no such file, image or entry"


class MgmtBadState(MgmtError, code=6):
    name = "EBADSTATE"
    meaning = (
        "the device's current state does not allow this (low battery, or an update in progress, for example)"
    )


class MgmtMessageTooLong(MgmtError, code=7):
    name = "EMSGSIZE"
    meaning = "the request or its answer does not fit the device's buffer"


class MgmtNotSupported(MgmtError, code=8):
    name = "ENOTSUP"
    meaning = "the device does not support this command"


class MgmtCorrupt(MgmtError, code=9):
    name = "ECORRUPT"
    meaning = "the device finds the data corrupt"


class MgmtBusy(MgmtError, code=10):
    name = "EBUSY"
    meaning = "the device is busy with another command"


class MgmtAccessDenied(MgmtError, code=11):
    name = "EACCESSDENIED"
    meaning = "the device denies access to this command"


class MgmtProtocolTooOld(MgmtError, code=12):
    name = "UNSUPPORTED_TOO_OLD"
    meaning = "the device no longer supports this SMP version"


class MgmtProtocolTooNew(MgmtError, code=13):
    name = "UNSUPPORTED_TOO_NEW"
    meaning = "the device does not support this SMP version yet"


class OsError(_InGroup, group=0):
    """A result code of the OS management group."""


class OsUnknown(OsError, code=1):
    name = "UNKNOWN"
    meaning = "the OS group reports an error it does not name"


class OsInvalidFormat(OsError, code=2):
    name = "INVALID_FORMAT"
    meaning = "the format of the requested information is not valid"


class OsNoAnswer(OsError, code=3):
    name = "QUERY_YIELDS_NO_ANSWER"
    meaning = "the device does not know this query"


class OsClockNotSet(OsError, code=4):
    name = "RTC_NOT_SET"
    meaning = "the device's clock is not set"


class OsClockFailed(OsError, code=5):
    name = "RTC_COMMAND_FAILED"
    meaning = "the device's clock failed"


class OsValueNotValid(OsError, code=6):
    name = "QUERY_RESPONSE_VALUE_NOT_VALID"
    meaning = "the device has no valid value for this query"


class ImageError(_InGroup, group=1):
    """A result code of the image management group."""


class ImageUnknown(ImageError, code=1):
    name = "UNKNOWN"
    meaning = "the image group reports an error it does not name"


class ImageFlashConfigQueryFailed(ImageError, code=2):
    name = "FLASH_CONFIG_QUERY_FAIL"
    meaning = "the device cannot read the configuration of the flash area"


class ImageNoImage(ImageError, code=3):
    name = "NO_IMAGE"
    meaning = "there is no image in the slot"


class ImageNoTlvs(ImageError, code=4):
    name = "NO_TLVS"
    meaning = "the image in the slot has no TLVs"


class ImageInvalidTlv(ImageError, code=5):
    name = "INVALID_TLV"
    meaning = "the image in the slot has a TLV of invalid type or length"


class ImageMultipleHashes(ImageError, code=6):
    name = "TLV_MULTIPLE_HASHES_FOUND"
    meaning = "the image in the slot has more than one hash"


class ImageInvalidTlvSize(ImageError, code=7):
    name = "TLV_INVALID_SIZE"
    meaning = "the image in the slot has a TLV of invalid size"


class ImageHashNotFound(ImageError, code=8):
    name = "HASH_NOT_FOUND"
    meaning = "no image with this hash is on the device"


class ImageNoFreeSlot(ImageError, code=9):
    name = "NO_FREE_SLOT"
    meaning = "the device has no free slot for the image"


class ImageFlashOpenFailed(ImageError, code=10):
    name = "FLASH_OPEN_FAILED"
    meaning = "the device cannot open the flash area"


class ImageFlashReadFailed(ImageError, code=11):
    name = "FLASH_READ_FAILED"
    meaning = "the device cannot read its flash"


class ImageFlashWriteFailed(ImageError, code=12):
    name = "FLASH_WRITE_FAILED"
    meaning = "the device cannot write its flash"


class ImageFlashEraseFailed(ImageError, code=13):
    name = "FLASH_ERASE_FAILED"
    meaning = "the device cannot erase its flash"


class ImageInvalidSlot(ImageError, code=14):
    name = "INVALID_SLOT"
    meaning = "the device has no such slot"


class ImageNoFreeMemory(ImageError, code=15):
    name = "NO_FREE_MEMORY"
    meaning = "the device has no memory left for the upload"


class ImageFlashContextAlreadySet(ImageError, code=16):
    name = "FLASH_CONTEXT_ALREADY_SET"
    meaning = "the device's upload is already open"


class ImageFlashContextNotSet(ImageError, code=17):
    name = "FLASH_CONTEXT_NOT_SET"
    meaning = "the device has no upload open"


class ImageFlashAreaDeviceNull(ImageError, code=18):
    name = "FLASH_AREA_DEVICE_NULL"
    meaning = "the flash area has no device"


class ImageInvalidPageOffset(ImageError, code=19):
    name = "INVALID_PAGE_OFFSET"
    meaning = "the offset of a flash page is invalid"


class ImageInvalidOffset(ImageError, code=20):
    name = "INVALID_OFFSET"
    meaning = "the request has no offset, or one that the device does not take"


class ImageInvalidLength(ImageError, code=21):
    name = "INVALID_LENGTH"
    meaning = "the request has no image length, or one that the device does not take"


class ImageInvalidImageHeader(ImageError, code=22):
    name = "INVALID_IMAGE_HEADER"
    meaning = "the image is shorter than an image header"


class ImageInvalidImageHeaderMagic(ImageError, code=23):
    name = "INVALID_IMAGE_HEADER_MAGIC"
    meaning = "the image does not begin with the magic number of a signed image"


class ImageInvalidHash(ImageError, code=24):
    name = "INVALID_HASH"
    meaning = "the hash in the request is not valid"


class ImageInvalidFlashAddress(ImageError, code=25):
    name = "INVALID_FLASH_ADDRESS"
    meaning = "the image's load address is not that of the slot"


class ImageVersionGetFailed(ImageError, code=26):
    name = "VERSION_GET_FAILED"
    meaning = "the device cannot tell the version that is running"


class ImageCurrentVersionIsNewer(ImageError, code=27):
    name = "CURRENT_VERSION_IS_NEWER"
    meaning = "the device already runs a version that is not older"


class ImageAlreadyPending(ImageError, code=28):
    name = "IMAGE_ALREADY_PENDING"
    meaning = "an image is already pending on the device"


class ImageInvalidVectorTable(ImageError, code=29):
    name = "INVALID_IMAGE_VECTOR_TABLE"
    meaning = "the image's vector table is invalid"


class ImageTooLarge(ImageError, code=30):
    name = "INVALID_IMAGE_TOO_LARGE"
    meaning = "the image does not fit the slot"


class ImageDataOverrun(ImageError, code=31):
    name = "INVALID_IMAGE_DATA_OVERRUN"
    meaning = "more data was sent than the image's length announced"


class ImageConfirmationDenied(ImageError, code=32):
    name = "IMAGE_CONFIRMATION_DENIED"
    meaning = "the device denies confirming this image"


class ImageTestOfActiveDenied(ImageError, code=33):
    name = "IMAGE_SETTING_TEST_TO_ACTIVE_DENIED"
    meaning = "the image to test is the one that is running"


class ImageActiveSlotNotKnown(ImageError, code=34):
    name = "ACTIVE_SLOT_NOT_KNOWN"
    meaning = "the device cannot tell which slot is running"


class BundledError(_InGroup, group=64):
    """A result code of the bundled device's own group (64 is the first for a product's own use).

    Another product may mean something else by this group: its text carries the numbers as well.
    """

    meaning = "the device refused for a reason of its own"


class BatteryLow(BundledError, code=2):
    name = "BATTERY_LOW"
    meaning = "the battery is below the minimum for an upload"


class SupplyLow(BundledError, code=3):
    name = "SUPPLY_LOW"
    meaning = "the supply warns of a power failure: nothing is written until it recovers"
