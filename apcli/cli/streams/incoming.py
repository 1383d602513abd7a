"""A byte stream that is looked at before it is taken: path lines and whole files may come one after another."""

from io import BufferedReader

CHUNK = 1 << 20
# A header's length is eight bytes, little end first, and at most 1e8: its fifth byte is 0. No path has a 0 byte.
TELLING = 5


class Incoming:
    """A byte stream that can be looked at before it is taken, however small the pieces it comes in."""

    def __init__(self, stream: BufferedReader) -> None:
        self.stream = stream
        self.buffer = b""

    def begun(self) -> bool:
        """Wait until it can be told what comes next: enough bytes, or a line that is shorter; False at the end."""
        while len(self.buffer) < TELLING and b"\n" not in self.buffer and self._more():
            pass
        return bool(self.buffer)

    def read(self, count: int) -> bytes:
        """Take ``count`` bytes, fewer only at the end."""
        while len(self.buffer) < count and self._more():
            pass
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def line(self) -> bytes:
        """Take one line, as soon as it is there."""
        while b"\n" not in self.buffer and self._more():
            pass
        taken, newline, self.buffer = self.buffer.partition(b"\n")
        return taken + newline

    def _more(self) -> bool:
        piece = self.stream.read1(CHUNK)
        self.buffer += piece
        return bool(piece)
