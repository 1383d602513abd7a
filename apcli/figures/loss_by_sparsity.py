"""The rise of the loss when the smallest weights go, with each limit that was predicted."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.colors import Look
from apcli.figures.canvas.marks import Dash, Drawing, Line, Missing, Value, columns_of
from apcli.figures.canvas.panels import Box, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import logarithmic, of_sparsities
from apcli.figures.study import PlottedLimit, Study

_HEIGHT, _ABREAST = 210.0, 2
_TICKS = (0.0, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)
_LOOKS: tuple[tuple[str, Dash], ...] = tuple(
    (f"method-{number}", dash) for dash in ("dashed", "dotted") for number in (2, 3, 4, 5, 6)
)
_MEASURED = Look("method-1", "o")


def loss_by_sparsity(study: Study) -> Drawing:
    """Logarithmic axes, that of the sparsity by compression; a limit is a vertical line in a colour of its own.

    Raises:
        Missing: no loss over the sparsity is known.
    """
    known = [limit for limit in study.limits if limit.points]
    if not known:
        raise Missing("no loss over the sparsity is known")
    names = list(dict.fromkeys(name for limit in known for name, sparsity in limit.limits.items() if sparsity < 1))
    looks = dict(zip(names, _LOOKS, strict=False))
    sheet = Sheet()
    sheet.legend(
        [
            Key.of("measured", _MEASURED),
            Key("by the curvature", "soft", width=1.2),
            Key("ε, the rise that is allowed", "soft", dash="dashed", width=1.2),
            *(Key(name, color, dash=dash) for name, (color, dash) in looks.items()),
        ]
    )
    heads = [Head(limit.name, "rise of the training loss, nats") for limit in known]
    boxes = sheet.rows(heads, _ABREAST, _HEIGHT)
    sheet.lost(sum(_panel(sheet, box, limit, looks) for limit, box in zip(known, boxes, strict=True)))
    beyond = [name for limit in known for name, sparsity in limit.limits.items() if sparsity >= 1]
    if beyond:
        sheet.note(f"Not on the axis, as no weight need be kept: {', '.join(dict.fromkeys(beyond))}.")
    about = f"Rise of the loss over the sparsity of {len(known)} dense networks, with {len(names)} limits."
    columns = columns_of(("network", "sparsity", "rise", "by the curvature", "limit"), _rows(known))
    return sheet.drawing("Loss against sparsity, and the limits", about, columns)


def _panel(sheet: Sheet, box: Box, limit: PlottedLimit, looks: dict[str, tuple[str, Dash]]) -> int:
    """Draw one network; returns how many values have no place on the axis."""
    points = [point for point in limit.points if point.sparsity < 1]
    marked = {name: sparsity for name, sparsity in limit.limits.items() if sparsity < 1 and name in looks}
    sparsities = [*(point.sparsity for point in points), *marked.values()]
    x = of_sparsities(sparsities, [tick for tick in _TICKS if min(sparsities) <= tick <= max(sparsities)])
    rises = [point.rise for point in points]
    seconds = [point.second_order for point in points if point.second_order is not None]
    y = logarithmic([limit.eps, *(value for value in (*rises, *seconds) if value > 0)])
    panel = Panel(sheet, box, x, y, "sparsity")
    panel.level(limit.eps, f"ε = {limit.eps:.3g}", "dashed")
    for name, sparsity in marked.items():
        color, dash = looks[name]
        span = [panel.at(sparsity, end) for end in (y.low, y.high)]
        panel.marks.append(Line(span, color, 1.6, dash, f"{name}: {sparsity:.2%} may go"))
    xs = [point.sparsity for point in points]
    by_curvature = [_placed(point.second_order) for point in points]
    measured = [_placed(rise) for rise in rises]
    panel.line(xs, by_curvature, "soft", width=1.2, name="by the curvature")
    panel.line(xs, measured, _MEASURED.color, name="measured")
    panel.dots(xs, measured, _MEASURED, name="measured")
    return sum(value <= 0 for value in (*rises, *seconds))


def _placed(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _rows(known: Sequence[PlottedLimit]) -> Iterator[Sequence[Value]]:
    for limit in known:
        for point in limit.points:
            at = ", ".join(name for name, sparsity in limit.limits.items() if abs(sparsity - point.sparsity) < 1e-12)
            yield limit.name, point.sparsity, point.rise, point.second_order, at
