"""The room that text needs, about: a page chooses its font, so widths are those of a wide one."""

import re
from collections.abc import Sequence

LONGEST = 600.0  # pixels of a name in a legend
_NARROW, _WIDE = frozenset("iljftI.,:;|'!()[]{} -·"), frozenset("mwMW%@—…")
_PART = re.compile(r"[^-=_/,:]*[-=_/,:]|[^-=_/,:]+")  # of a word, up to a sign behind which it may be broken
_SIZES = 4.6, 7.4, 10.6  # pixels of a narrow, a common and a wide letter at the size of all text


def width_of(text: str) -> float:
    """Pixels."""
    narrow, common, wide = _SIZES
    return sum(narrow if letter in _NARROW else wide if letter in _WIDE else common for letter in text)


def shortened(name: str, width: float = LONGEST) -> str:
    """The name, with its middle left out if it is wider: names often differ at their ends."""
    if width_of(name) <= width:
        return name
    kept = min(len(name), int(width / min(_SIZES)))  # no name that fits is longer
    while kept > 2 and width_of(_without_middle(name, kept)) > width:
        kept -= 1
    return _without_middle(name, kept)


def wrapped(text: str, width: float) -> list[str]:
    """Lines of words; a word that is wider than a line is broken behind a sign, or shortened if it has none."""
    lines: list[str] = []
    for word in text.split(" "):
        space = " "
        for part in [word] if width_of(word) <= width else _PART.findall(word):
            if lines and width_of(f"{lines[-1]}{space}{part}") <= width:
                lines[-1] += f"{space}{part}"
            else:
                lines.append(shortened(part, width))
            space = ""
    return lines


def _without_middle(name: str, kept: int) -> str:
    start = (kept + 1) // 2
    return f"{name[:start]}…{name[len(name) - kept + start :]}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names for a description: the first few."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
