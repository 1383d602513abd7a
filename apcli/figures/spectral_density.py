"""The spectrum of the loss's curvature, with the eigenvalue from which on directions must be kept."""

import math
from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Drawing, Line, Missing, Value, columns_of
from apcli.figures.canvas.panels import Box, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import logarithmic
from apcli.figures.study import PlottedLimit, Study

_HEIGHT, _ABREAST = 190.0, 2
_WIDTH = 0.15  # decades: standard deviation of the Gaussian that an eigenvalue is drawn as
_TOLD = 5e-4  # a share that is said
_STEPS = 240  # of a curve
_ROUNDING = 1e-6  # of the largest eigenvalue: products in single precision cannot tell less from 0
_LEAST = 1e-12  # of the largest eigenvalue, and of a share: less is not drawn


def spectral_density(study: Study) -> Drawing:
    """Share of the eigenvalues per decade, log-log, each Ritz value a Gaussian; below the curve, the values themselves.

    Raises:
        Missing: no spectrum is known.
    """
    known = [limit for limit in study.limits if _positive(limit)]
    if not known:
        raise Missing("no spectrum of the loss’s curvature is known")
    sheet = Sheet()
    marks = [Key("2ε / R² at the published limit", "method-2", dash="dashed")]
    sheet.legend([Key("curvature of the loss", "method-1"), *(marks if any(one.threshold for one in known) else [])])
    boxes = sheet.rows([Head(one.name, _about(one)) for one in known], _ABREAST, _HEIGHT)
    for limit, box in zip(known, boxes, strict=True):
        _panel(sheet, box, limit)
    about = f"Spectral density of the curvature of {len(known)} dense networks, with the pruning limit marked."
    columns = columns_of(("network", "eigenvalue", "share", "eigenvalue at the limit"), _rows(known))
    return sheet.drawing("Spectrum of the curvature", about, columns)


def _positive(limit: PlottedLimit) -> list[tuple[float, float]]:
    """The eigenvalues that have a place on a logarithmic axis."""
    largest = max((value for value, _ in limit.eigenvalues), default=0.0)
    return [(value, share) for value, share in limit.eigenvalues if value > _LEAST * largest and share > _LEAST]


def _about(limit: PlottedLimit) -> str:
    """What the vertical axis is, how many eigenvalues are 0, and how many have no place."""
    rounding = _ROUNDING * max(value for value, _ in limit.eigenvalues)
    zero = math.fsum(share for value, share in limit.eigenvalues if abs(value) <= rounding)
    negative = math.fsum(share for value, share in limit.eigenvalues if value < -rounding)
    lines = ["share of the eigenvalues per decade"]
    lines += [f"{zero:.1%} are below a millionth of the largest: 0 but for rounding"] if zero >= _TOLD else []
    lines += [f"{negative:.1%} are negative, and not shown"] if negative >= _TOLD else []
    return "\n".join(lines)


def _panel(sheet: Sheet, box: Box, limit: PlottedLimit) -> None:
    pairs = _positive(limit)
    decades = [math.log10(value) for value, _ in pairs]
    ends = [*(value for value, _ in pairs), *([limit.threshold] if limit.threshold else [])]
    low, high = math.log10(min(ends)) - 3 * _WIDTH, math.log10(max(ends)) + 3 * _WIDTH
    places = [low + (high - low) * step / _STEPS for step in range(_STEPS + 1)]
    shares = [share for _, share in pairs]
    heights = [_density(place, decades, shares) for place in places]
    x, y = logarithmic([10**low, 10**high]), logarithmic([min(shares) / 10, max(heights)])
    panel = Panel(sheet, box, x, y, "eigenvalue")
    drawn = [height if height > y.low else None for height in heights]
    panel.line([10**place for place in places], drawn, "method-1", name=limit.name)
    for value, _ in pairs:
        foot = panel.at(value, y.low)
        panel.marks.append(Line([foot, (foot[0], foot[1] - 5)], "method-1", 0.8))
    if limit.threshold:
        span = [panel.at(limit.threshold, end) for end in (y.low, y.high)]
        panel.marks.append(Line(span, "method-2", 1.6, "dashed", f"2ε / R² = {limit.threshold:.3g}"))


def _density(place: float, decades: Sequence[float], shares: Sequence[float]) -> float:
    total = math.fsum(w * math.exp(-(((place - at) / _WIDTH) ** 2) / 2) for at, w in zip(decades, shares, strict=True))
    return total / (_WIDTH * math.sqrt(2 * math.pi))


def _rows(known: Sequence[PlottedLimit]) -> Iterator[Sequence[Value]]:
    for limit in known:
        for value, share in limit.eigenvalues:
            yield limit.name, value, share, limit.threshold
