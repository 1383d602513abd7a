"""The vertical axis of a quantity: logarithmic for what cannot be negative, linear with a line at 0 for a change."""

from collections.abc import Sequence

from apcli.figures.canvas.panels import Box, Panel, Sheet
from apcli.figures.canvas.scales import Scale, linear, logarithmic
from apcli.figures.study import Kind, Point


def placed(kind: Kind, point: Point | None) -> Point | None:
    """The point, or None if it is not known or has no place on its axis."""
    return point if point is not None and (kind == "change" or point.mean > 0) else None


def quantity_panel(sheet: Sheet, box: Box, x: Scale, kind: Kind, points: Sequence[Point | None], name: str) -> Panel:
    """The axes of a quantity, for all of its points; those that have no place are not counted here."""
    ends = [end for point in points if placed(kind, point) and point for end in (point.low, point.high)]
    if kind != "change":
        return Panel(sheet, box, x, logarithmic([end for end in ends if end > 0]), name)
    panel = Panel(sheet, box, x, linear([0.0, *ends]), name)
    panel.level(0.0, "no change")
    return panel
