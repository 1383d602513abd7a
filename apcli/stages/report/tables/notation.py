"""The notation of a column of numbers: three significant digits, and all fixed-point or all with an exponent."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DIGITS = 3
LOW, HIGH, DECADES = -4, 6, 6  # powers of ten that fixed-point numbers may have, and how far these may be apart


@dataclass(frozen=True)
class Notation:
    """How the numbers of one column are written.

    Attributes:
        decimals: of every number; None: as many as three significant digits need.
        scientific: with an exponent, ``1.23e−7``.
    """

    decimals: int | None = None
    scientific: bool = False

    def text(self, value: float) -> str:
        """The number, with a proper minus; a whole number that is an ``int`` in full."""
        return self._text(value, DIGITS)

    def spread(self, value: float) -> str:
        """What stands behind ±: one digit less, unless the number of decimals is fixed."""
        return self._text(value, DIGITS - 1)

    def _text(self, value: float, digits: int) -> str:
        if isinstance(value, int):
            return f"{value:,}".replace("-", "−")
        rounded = f"{value:.{digits - 1}e}"
        if self.scientific:
            mantissa, _, exponent = rounded.partition("e")
            return f"{mantissa}e{int(exponent)}".replace("-", "−")
        decimals = max(0, digits - 1 - _power(float(rounded))) if self.decimals is None else self.decimals
        return f"{value:.{decimals}f}".replace("-", "−")


def notation_of(values: Iterable[float], decimals: int | None = None) -> Notation:
    """The notation for these numbers; with an exponent if they are too far from one, or from each other."""
    powers = [_power(value) for value in values if value and not isinstance(value, int)]
    if decimals is not None or not powers:
        return Notation(decimals)
    low, high = min(powers), max(powers)
    return Notation(scientific=low < LOW or high >= HIGH or high - low > DECADES)


def aligned(texts: Sequence[str]) -> list[str]:
    """Texts padded with spaces as wide as a digit or a point, so that decimal points stand below each other."""
    tails = [text.partition(".")[2] if "." in text else None for text in texts]
    longest = max((len(tail) for tail in tails if tail is not None), default=None)
    if longest is None:
        return list(texts)
    return [
        text + ("\u2008" + "\u2007" * longest if tail is None else "\u2007" * (longest - len(tail)))
        for text, tail in zip(texts, tails, strict=True)
    ]


def _power(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0
