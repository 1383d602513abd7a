"""Lists and counts in sentences: for messages, tables and the report (standard library only)."""

from collections.abc import Sequence

MANY = 4  # most things that a sentence lists


def few(names: Sequence[str], most: int = MANY) -> str:
    """``a, b and c``; beyond ``most``, the first ones and the number of the others."""
    return join(names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} others"])


def join(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def count(number: int, noun: str) -> str:
    """The number with its noun, in the plural if needed."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
