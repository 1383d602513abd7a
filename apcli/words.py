"""Lists, counts and differences in sentences: for messages, tables and the report (standard library only)."""

import json
from collections.abc import Iterable, Mapping, Sequence

MANY = 4  # most things that a sentence lists
_LONG = 40  # most characters of a value in a sentence
_ABSENT = object()


def few(names: Sequence[str], most: int = MANY, others: str = "others") -> str:
    """``a, b and c``; beyond ``most``, the first ones and the number of the ``others``."""
    return join(names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} {others}"])


def join(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def count(number: int, noun: str) -> str:
    """The number with its noun, in the plural if needed."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def by(shape: Iterable[int]) -> str:
    """``64x3x7x7``: the extents of a shape."""
    return "x".join(map(str, shape))


def told_apart(names: Sequence[Sequence[str]]) -> list[str]:
    """A word for each of several things, of those that may name it, short ones first: as short as tells it apart."""
    chosen = [0] * len(names)
    while True:
        words = [own[place] for own, place in zip(names, chosen, strict=True)]
        longer = [i for i, own in enumerate(names) if words.count(words[i]) > 1 and chosen[i] + 1 < len(own)]
        if not longer:
            return words
        for i in longer:
            chosen[i] += 1


def shown(name: str) -> str:
    """A name in a message, if it is long the beginning of it."""
    return name if len(name) <= _LONG else f"{name[: _LONG - 1]}…"


def in_one_line(text: str) -> str:
    """``text`` with what is not printable escaped, as a line break in a tensor's name."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def difference(old: object, new: object, name: str = "", *, exactly: bool = False) -> str:
    """The first member in which JSON values differ, as in ``layers last → all``; empty if there is none.

    Unless they must agree ``exactly``, ``old`` may know more: an object may have further members, and null is absent.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*new, *(key for key in old if exactly and key not in new)]
        pairs = ((old.get(key, _ABSENT), new.get(key, _ABSENT), f"{name} {key}".strip()) for key in keys)
        return next(filter(None, (difference(*pair, exactly=exactly) for pair in pairs)), "")
    if old == new or (not exactly and old is _ABSENT and new is None):
        return ""
    return f"{name} {_shown(old)} → {_shown(new)}"


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "not recorded"
    return shown(value if isinstance(value, str) else "none" if value is None else json.dumps(value))
