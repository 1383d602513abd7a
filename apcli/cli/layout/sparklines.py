"""A row of numbers as a row of bars, one column each."""

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
GAP = "·"  # where a number is not known


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """A bar for each value, the lowest for ``low`` and the highest for ``high``; empty if no value is known."""
    if not any(value is not None for value in values):
        return ""
    return "".join(GAP if value is None else BARS[_level(value, low, high)] for value in values)


def _level(value: float, low: float, high: float) -> int:
    share = (value - low) / (high - low) if high > low else 1.0
    return min(len(BARS) - 1, max(0, int(share * len(BARS))))
