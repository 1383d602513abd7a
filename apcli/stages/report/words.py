"""Numbers as text, for sentences, tiles and tables."""

from collections.abc import Callable

from apcli.stages.report.runs.experiment import Stat

UNKNOWN = "–"


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


def number(value: float) -> str:
    """Four significant digits, without padding: 0.01234, 1.234e-7."""
    text = f"{value:.4g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def spread(value: Stat | None, decimals: int | None = None) -> str:
    """``mean ± sd``; for one seed the mean alone, or ``value ± standard error`` of an estimate.

    An estimate over several seeds has both: ``mean ± sd (s.e. error)``.
    """
    if value is None:
        return UNKNOWN
    write: Callable[[float], str] = number if decimals is None else lambda v: f"{v:.{decimals}f}"
    if value.sd is None:
        return estimate(value) if value.error else write(value.mean)
    error = f" (s.e. {_sd(value.error, None)})" if value.error else ""
    return f"{write(value.mean)} ± {_sd(value.sd, decimals)}{error}"


def estimate(value: Stat) -> str:
    """``mean ± standard error`` of an estimate, or the mean of exact values."""
    return f"{number(value.mean)} ± {_sd(value.error, None)}" if value.error else number(value.mean)


def _sd(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return number(float(f"{value:.2g}"))
