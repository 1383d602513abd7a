"""Ranges of parameters as data, for the check, its message, and the tests."""

import math
from dataclasses import dataclass
from typing import Protocol

Value = int | float | str


class Allowed(Protocol):
    """The allowed values of a parameter; as text, the ``expected`` part of a message."""

    def admits(self, value: Value) -> bool: ...


@dataclass(frozen=True)
class Numbers:
    """Numbers from ``least`` to ``most``; ``over`` and ``under`` exclude the ends.

    Args:
        but: excluded numbers between the ends.
        infinite: whether infinity is allowed.
        words: words allowed instead of a number.
    """

    least: float = -math.inf
    most: float = math.inf
    over: bool = False
    under: bool = False
    but: tuple[float, ...] = ()
    infinite: bool = False
    words: tuple[str, ...] = ()

    def admits(self, value: Value) -> bool:
        if value in self.words:
            return True
        try:
            number = float(value)
        except (ValueError, OverflowError):  # a word; a whole number beyond double's range
            return False
        above = number > self.least if self.over else number >= self.least
        below = number < self.most if self.under else number <= self.most
        return above and below and number not in self.but and (self.infinite or math.isfinite(number))

    def check(self, **values: float) -> None:
        """Raise ValueError unless all ``values``, by name, are allowed."""
        for name, value in values.items():
            if not self.admits(value):
                raise ValueError(f"{name} is {value:g}: expected {self}")

    def __str__(self) -> str:
        if math.isinf(self.most):
            span = f"a number above {self.least:g}" if self.over else f"{self.least:g} or more"
        else:
            ends = "(" if self.over else "[", ")" if self.under else "]"
            span = f"a number in {ends[0]}{self.least:g}, {self.most:g}{ends[1]}"
        span += "".join(f" other than {number:g}" for number in self.but)
        return " or ".join([*self.words, span])


@dataclass(frozen=True)
class Words:
    """One of a few words."""

    words: tuple[str, ...]

    def admits(self, value: Value) -> bool:
        return value in self.words

    def __str__(self) -> str:
        return " or ".join(self.words)


@dataclass(frozen=True)
class Rules:
    """A word, or a word with a number after a -, as in rel-0.01.

    Args:
        alone: the words that need no number.
        numbered: those that take one of ``each``.
    """

    alone: tuple[str, ...]
    numbered: tuple[str, ...]
    each: Numbers

    def admits(self, value: Value) -> bool:
        word, dash, number = str(value).partition("-")
        return value in self.alone or (word in self.numbered and bool(dash) and self.each.admits(number))

    def __str__(self) -> str:
        forms = " or ".join((*self.alone, *(f"{word}-X" for word in self.numbered)))
        return f"{forms}, with X {self.each}, as in {self.numbered[-1]}-0.01"


@dataclass(frozen=True)
class Sums:
    """Several numbers in one text, joined by +."""

    each: Numbers
    like: str

    def admits(self, value: Value) -> bool:
        parts = str(value).split("+")
        return all(part.isdecimal() and self.each.admits(int(part)) for part in parts)

    def __str__(self) -> str:
        return f"whole numbers joined by +, as in {self.like}, each {self.each}"


@dataclass(frozen=True)
class Span:
    """A whole number, or all from one to another, as in 1..5."""

    each: Numbers
    like: str

    def admits(self, value: Value) -> bool:
        ends = str(value).split("..")
        fine = len(ends) < 3 and all(end.isdecimal() and self.each.admits(int(end)) for end in ends)
        return fine and int(ends[0]) <= int(ends[-1])

    def __str__(self) -> str:
        return f"a whole number, or all between two as in {self.like}, each {self.each}"

    @staticmethod
    def numbers(text: str) -> range:
        """The numbers of a text that is admitted."""
        ends = text.split("..")
        return range(int(ends[0]), int(ends[-1]) + 1)


@dataclass(frozen=True)
class Anything:
    """A name or a path, which is checked when it is looked up."""

    def admits(self, value: Value) -> bool:
        return True

    def __str__(self) -> str:
        return "a word"


POSITIVE = Numbers(0, over=True)
NOT_NEGATIVE = Numbers(0)
UNBOUNDED = Numbers(0, infinite=True)  # 0 or more, and infinity
ONE_OR_MORE = Numbers(1)
SHARE = Numbers(0, 1)  # a share, both ends included
INSIDE = Numbers(0, 1, over=True, under=True)  # a share, both ends excluded
ERROR = Numbers(1e-100, 1, under=True)  # a probability of error, for which quantiles are still exact
SPREAD = Numbers(1e-100, 1e100)  # a standard deviation, of which the square and its inverse are numbers
ANYTHING = Anything()
