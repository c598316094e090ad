"""Text and SMP frames on one wire come apart, whatever the pieces they arrive in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hil.console.splitter import FRAME_LIMIT, LINE_LIMIT, Frame, Splitter, Text

FRAME = b"\x06\x09AAAB\n"
NEXT = b"\x04\x14CCCC\n"


def split(*pieces: bytes) -> list[Text | Frame]:
    splitter = Splitter()
    return [item for piece in pieces for item in splitter.feed(piece)]


def test_lines_and_frames() -> None:
    assert split(b"boot 1.0\r\n" + FRAME + NEXT + b"done\n") == [
        Text("boot 1.0"),
        Frame(FRAME),
        Frame(NEXT),
        Text("done"),
    ]


def test_a_frame_may_interrupt_a_line() -> None:
    assert split(b"half " + FRAME + b"line\n") == [Frame(FRAME), Text("half line")]


def test_a_marker_alone_is_text() -> None:
    assert split(b"\x06x\n") == [Text("\\x06x")]
    assert split(b"\x06\x06\x09AA\n") == [Frame(b"\x06\x09AA\n")]


def test_lines_and_frames_are_bounded() -> None:
    assert split(b"a" * (LINE_LIMIT + 1) + b"\n") == [Text("a" * LINE_LIMIT), Text("a")]
    endless = split(b"\x06\x09" + b"A" * FRAME_LIMIT + b"\n")
    assert all(isinstance(item, Text) for item in endless)


def test_the_unfinished_rest_is_text() -> None:
    splitter = Splitter()
    splitter.feed(b"login: ")
    assert splitter.partial == "login: "
    assert splitter.flush() == [Text("login: ")]
    assert splitter.flush() == []


def test_what_is_printed_is_safe_to_print() -> None:
    (item,) = split(b"\x1b[31mred\x00 caf\xc3\xa9 \xff\n")
    assert item == Text("\\x1b[31mred\\x00 café \ufffd")


@given(st.lists(st.sampled_from([b"text\n", FRAME, NEXT, b"more \x06 text\n", b"\n"])), st.integers(1, 7))
def test_the_size_of_the_pieces_does_not_matter(items: list[bytes], size: int) -> None:
    whole = b"".join(items)
    pieces = [whole[index : index + size] for index in range(0, len(whole), size)]
    assert split(*pieces) == split(whole)


@given(st.binary(max_size=300))
def test_any_bytes_are_taken(data: bytes) -> None:
    splitter = Splitter()
    splitter.feed(data)
    splitter.flush()
