"""A byte stream is looked at before it is taken, however small its pieces are."""

from io import BufferedReader, BytesIO
from typing import Any

import pytest

from apcli.cli.streams.incoming import TELLING, Incoming


class Pieces(BytesIO):
    """Bytes that come in pieces of one size."""

    def __init__(self, whole: bytes, size: int) -> None:
        super().__init__(whole)
        self.size = size

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(self.size)


def incoming(whole: bytes, size: int) -> Incoming:
    stream: Any = Pieces(whole, size)
    return Incoming(stream)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_and_bytes_are_taken_in_turn(size):
    stream = incoming(b"a\nlong line\n" + bytes(range(20)) + b"end", size)
    assert stream.begun()
    assert stream.line() == b"a\n"
    assert stream.begun()
    assert stream.line() == b"long line\n"
    assert stream.begun()
    assert stream.buffer[:TELLING] == bytes(range(TELLING)), "looked at"
    assert stream.read(20) == bytes(range(20)), "and still there"
    assert stream.line() == b"end"
    assert not stream.begun()
    assert (stream.read(3), stream.line()) == (b"", b"")


def test_fewer_bytes_come_only_at_the_end():
    stream = incoming(b"abcdef", 2)
    assert (stream.read(4), stream.read(4), stream.read(4)) == (b"abcd", b"ef", b"")


def test_a_short_line_does_not_wait_for_more():
    """A stage before this one says a path, and works on."""
    stream = incoming(b"a\n", 2)
    stream.stream.read1 = lambda size, read1=stream.stream.read1: read1(size) or pytest.fail("it waited")
    assert stream.begun()
    assert stream.line() == b"a\n"


def test_a_real_reader_serves():
    assert Incoming(BufferedReader(BytesIO(b"x" * 9))).read(4) == b"xxxx"
