"""Text in columns: its width, where it breaks, and what stands for its middle.

A width of None is that of a pipe or a file: there a text is one line, however long.
"""

import re
from collections.abc import Iterable, Sequence

_LEAST_BESIDE = 30  # columns of the text beside a name; with less room it stands below
_STEP = 2  # columns by which what belongs to a line is indented
# Where a word wider than a line breaks, if it can: behind marks between names, else within names; never before a digit.
_JOINTS = (re.compile(r"(?<=[/=.,;:|])(?![\d.])"), re.compile(r"(?<=[_-])(?![\d-])"))


def cells(text: str) -> int:
    """The width of ``text`` in columns: East Asian characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def shortened(text: str, width: int, gap: str = "…") -> str:
    """``text`` in at most ``width`` columns, its middle left out: names differ in their ends."""
    from rich.cells import set_cell_size

    if cells(text) <= width:
        return text
    if width <= 3 * len(gap):
        return set_cell_size(text, max(0, width))
    room = width - len(gap)
    end = set_cell_size(text[::-1], room - room // 2)[::-1]
    return f"{set_cell_size(text, room // 2)}{gap}{end}"


def wrapped(text: str, width: int | None, hang: int = 0) -> list[str]:
    """``text`` in lines of at most ``width`` columns, broken between words, or within those wider than a line.

    The first line keeps the indentation of ``text``; the others have one of ``hang`` columns.
    """
    if width is None or cells(text) <= width:
        return [text]
    hang = min(hang, width // 2)
    lines, bare = [text[: len(text) - len(text.lstrip())][:hang]], True
    for word in text.split():
        for number, piece in enumerate(_pieces(word, max(1, width - hang))):
            joined = f"{lines[-1]}{'' if number or bare else ' '}{piece}"
            if bare or cells(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(f"{' ' * hang}{piece}")
            bare = False
    return lines


def _pieces(word: str, width: int, joints: Sequence[re.Pattern[str]] = _JOINTS) -> list[str]:
    """The parts of ``word``, each of at most ``width`` columns; the whole word if it is one."""
    if cells(word) <= width:
        return [word]
    if joints:
        return [piece for part in joints[0].split(word) for piece in _pieces(part, width, joints[1:])]
    start, pieces = 0, []
    for end in range(1, len(word) + 1):
        if end - start > 1 and cells(word[start:end]) > width:
            pieces.append(word[start : end - 1])
            start = end - 1
    return [*pieces, word[start:]]


def fact_lines(facts: Iterable[tuple[str, str]], size: int, width: int | None, indent: int = 0) -> list[str]:
    """Names in ``size`` columns, and beside each what is said of it; below it where that has too little room."""
    lead, lines = " " * indent, []
    room = None if width is None else width - indent - size
    for name, text in facts:
        if room is not None and room < _LEAST_BESIDE:
            lines += wrapped(f"{lead}{name}", width, indent + _STEP) if name else []
            lines += wrapped(f"{lead}{' ' * _STEP}{text}", width, indent + _STEP)
            continue
        first, *more = wrapped(text, room)
        beside = room is None or cells(name) < size
        lines += [f"{lead}{name:<{size - 1}} {first}"] if beside else [f"{lead}{name}", f"{lead}{' ' * size}{first}"]
        lines += [f"{lead}{' ' * size}{line}" for line in more]
    return lines
