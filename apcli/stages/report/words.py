"""Numbers as text, for sentences and tables; and the sentences of a text."""

import re

UNKNOWN = "–"
_NOTHING = 1e-9  # the width of an interval that has none, but for rounding


def sentences(text: str) -> list[str]:
    """The sentences of a text; at least one, which may be empty."""
    return re.split(r"(?<=\.) (?=[A-Z])", text)


def signed(value: float) -> str:
    """Two decimals with a proper minus."""
    return f"{value:.2f}".replace("-", "−")


def bracketed(interval: tuple[float, float] | None) -> str:
    """[low, high]; nothing for None."""
    return "" if interval is None else f"[{signed(interval[0])}, {signed(interval[1])}]"


def is_point(interval: tuple[float, float] | None) -> bool:
    """Whether an interval has no width: all resampled values are the same, which is no certainty."""
    return interval is not None and interval[1] - interval[0] < _NOTHING


def beside(number: str, interval: tuple[float, float] | None, networks: int) -> str:
    """A number with its interval; of one without width, that it is the same in all networks."""
    if is_point(interval):
        return f"{number}, the same in all {networks} networks"
    return " ".join(filter(None, [number, bracketed(interval)]))


def points(difference: float) -> str:
    """A difference of two percentages: ``22.5 points``."""
    return f"{difference:.1f} points".replace("-", "−")


def interval_of(interval: tuple[float, float] | None, lead: str = " ") -> str:
    """The lead and [low, high] with one decimal; nothing for None."""
    return "" if interval is None else f"{lead}[{interval[0]:.1f}, {interval[1]:.1f}]".replace("-", "−")


def percent(share: float) -> str:
    """A share in percent, three digits: ``80 %``."""
    return f"{100 * share:.3g} %"
