"""A byte stream with a look ahead, since path lines and whole files may follow one another."""

from io import BufferedReader

CHUNK = 1 << 20
# A header's length is eight bytes, little-endian, and at most 1e8, so the fifth byte is 0. No path contains a 0 byte.
TELLING = 5


class Incoming:
    """A byte stream with a look ahead, however small the pieces in which it arrives."""

    def __init__(self, stream: BufferedReader) -> None:
        self.stream = stream
        self.buffer = b""

    def begun(self) -> bool:
        """Wait for enough bytes to recognise what comes next, or for a shorter line; False at the end."""
        while len(self.buffer) < TELLING and b"\n" not in self.buffer and self._more():
            pass
        return bool(self.buffer)

    def read(self, count: int) -> bytes:
        """Read ``count`` bytes, fewer only at the end."""
        while len(self.buffer) < count and self._more():
            pass
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def line(self) -> bytes:
        """Read one line as soon as it is complete."""
        while b"\n" not in self.buffer and self._more():
            pass
        taken, newline, self.buffer = self.buffer.partition(b"\n")
        return taken + newline

    def _more(self) -> bool:
        piece = self.stream.read1(CHUNK)
        self.buffer += piece
        return bool(piece)
