"""Numbers as text, for sentences and tables; and the sentences of a text."""

import re

UNKNOWN = "–"


def sentences(text: str) -> list[str]:
    """The sentences of a text; at least one, which may be empty."""
    return re.split(r"(?<=\.) (?=[A-Z])", text)


def signed(value: float) -> str:
    """Two decimals with a proper minus."""
    return f"{value:.2f}".replace("-", "−")


def bracketed(interval: tuple[float, float] | None) -> str:
    """[low, high]; nothing for None."""
    return "" if interval is None else f"[{signed(interval[0])}, {signed(interval[1])}]"


def points(difference: float) -> str:
    """A difference of two percentages: ``22.5 points``."""
    return f"{difference:.1f} points".replace("-", "−")


def interval_of(interval: tuple[float, float] | None, lead: str = " ") -> str:
    """The lead and [low, high] with one decimal; nothing for None."""
    return "" if interval is None else f"{lead}[{interval[0]:.1f}, {interval[1]:.1f}]".replace("-", "−")


def percent(share: float) -> str:
    """A share in percent, three digits: ``80 %``."""
    return f"{100 * share:.3g} %"
