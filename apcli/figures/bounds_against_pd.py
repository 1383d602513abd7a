"""The bounds on PD against the measured PD: a panel for each statement, and the line on which the two are equal."""

from collections.abc import Iterator, Sequence

from apcli.figures.canvas.marks import Dots, Drawing, Line, Missing, Value, columns_of
from apcli.figures.canvas.panels import WIDTH, Head, Panel, Sheet
from apcli.figures.canvas.scales import Scale, logarithmic
from apcli.figures.study import PlottedBound, Study
from apcli.figures.verdicts import LOOKS, keys_of
from apcli.records.bound import PD, PD_ACCURACY

_ABREAST, _HEIGHT = 3, 130.0
_AXES = {PD: "PD, loss, nats", PD_ACCURACY: "PD, accuracy"}  # all panels of a quantity have the same axes


def bounds_against_pd(study: Study) -> Drawing:
    """Log-log; above the line the bound is larger than what was measured, as an upper bound must be.

    Raises:
        Missing: no bound on PD is known beside a PD above 0.
    """
    known = [bound for bound in study.bounds if bound.quantity in _AXES and bound.measured is not None]
    shown = [bound for bound in known if _place(bound) is not None]
    if not shown:
        raise Missing("no bound on PD is known beside a PD above 0")
    sheet = Sheet()
    sheet.legend(keys_of(bound.verdict for bound in shown))
    scales = {of: _scales([bound for bound in shown if bound.quantity == of]) for of in _AXES}
    of_panel = sorted(
        dict.fromkeys((b.quantity, b.statement) for b in shown), key=lambda panel: [*_AXES].index(panel[0])
    )
    for start in range(0, len(of_panel), _ABREAST):
        part = of_panel[start : start + _ABREAST]
        boxes = sheet.row([Head(name, "bound") for _, name in part], [(WIDTH / _ABREAST, 0.0)] * len(part), _HEIGHT)
        for panel, box in zip(part, boxes, strict=True):
            members = [bound for bound in shown if (bound.quantity, bound.statement) == panel]
            _panel(Panel(sheet, box, *scales[panel[0]], _AXES[panel[0]]), members)
    sheet.lost(sum(bound.measured == 0 or bound.value == 0 for bound in known))
    endless = sum(bound.value is None for bound in known)
    if endless:
        sheet.note(f"{endless} of the bounds are infinite, and left out.")
    about = f"Bounds against the measured performance difference; one panel for each of {len(of_panel)} statements."
    columns = columns_of(("statement", "quantity", "method", "sparsity", "measured", "bound", "verdict"), _rows(known))
    return sheet.drawing("Bounds against the measured PD", about, columns)


def _place(bound: PlottedBound) -> tuple[float, float] | None:
    """Where the bound stands on logarithmic axes; None if nowhere."""
    x, y = bound.measured, bound.value
    return (x, y) if x is not None and y is not None and x > 0 and y > 0 else None


def _scales(bounds: Sequence[PlottedBound]) -> tuple[Scale, Scale]:
    places = [place for bound in bounds if (place := _place(bound)) is not None]
    return logarithmic([x for x, _ in places], most=4), logarithmic([end for place in places for end in place])


def _panel(panel: Panel, bounds: Sequence[PlottedBound]) -> None:
    low, high = max(panel.x.low, panel.y.low), min(panel.x.high, panel.y.high)
    panel.marks.append(Line([panel.at(low, low), panel.at(high, high)], "soft", 1.2, "dashed", "bound = measurement"))
    for verdict, look in LOOKS.items():
        for bound in bounds:
            place = _place(bound)
            if bound.verdict == verdict and place is not None:
                dot = Dots([panel.at(*place)], look.color, look.shape, hollow=look.hollow, name=bound.about)
                panel.marks.append(dot)


def _rows(bounds: Sequence[PlottedBound]) -> Iterator[Sequence[Value]]:
    for b in bounds:
        yield b.statement, b.quantity, b.method, b.sparsity, b.measured, b.value, b.verdict
