"""How far each bound is from what was measured: a row for each statement, a sign for each record."""

import math
from collections.abc import Iterator, Mapping, Sequence

from apcli.figures.canvas.marks import Dots, Drawing, Line, Missing, Value, columns_of
from apcli.figures.canvas.panels import Head, Sheet
from apcli.figures.canvas.rows import Rows
from apcli.figures.canvas.scales import logarithmic
from apcli.figures.study import PlottedBound, Study
from apcli.figures.verdicts import LOOKS, keys_of
from apcli.records.bound import PD

_NAMES = 254.0  # pixels, at most
_MOST = 1e15  # of an axis: what is further off stands at its end


def bound_slack(study: Study) -> Drawing:
    """Bound over measurement, logarithmic; 1 is an exact bound, and what is left of it is broken.

    Raises:
        Missing: no bound is known beside a measurement.
    """
    known = [bound for bound in study.bounds if bound.slack is not None and bound.slack > 0]
    if not known:
        raise Missing("no bound is known beside a measurement")
    names = _names(known)
    rows = Rows.of(list(names), _NAMES)
    sheet = Sheet()
    sheet.legend(keys_of(bound.verdict for bound in known))
    for title, of_pd in (("Performance difference", True), ("Other quantities", False)):
        shown = {name: b for name, b in names.items() if b[0].quantity.startswith(PD) == of_pd}
        if shown:
            _panel(sheet, title, rows.only(list(shown)), shown)
    far = sum((bound.slack or 0.0) > _MOST for bound in known)
    if far:
        sheet.note(f"{far} of the bounds are more than 10¹⁵ times the measurement: they stand at the end of the axis.")
    columns = columns_of(
        ("statement", "method", "sparsity", "bound", "measured", "ratio", "verdict"), list(_rows(known))
    )
    about = f"Bound over measurement of {len(names)} statements; {len(known)} records."
    return sheet.drawing("How far the bounds are from what was measured", about, columns)


def _names(known: Sequence[PlottedBound]) -> dict[str, list[PlottedBound]]:
    """The bounds by statement, whose name has its quantity where there are several of that name."""
    quantities: dict[str, set[str]] = {}
    for bound in known:
        quantities.setdefault(bound.statement, set()).add(bound.quantity)
    found: dict[str, list[PlottedBound]] = {}
    for bound in known:
        found.setdefault(bound.name if len(quantities[bound.statement]) > 1 else bound.statement, []).append(bound)
    return found


def _panel(sheet: Sheet, title: str, rows: Rows, known: Mapping[str, Sequence[PlottedBound]]) -> None:
    """A row for each statement, on a scale of its own: those about weights alone can be off by many powers of ten."""
    ratios = [bound.slack for members in known.values() for bound in members if bound.slack]
    x = logarithmic([1.0, *(min(ratio, _MOST) for ratio in ratios)], most=6)
    (panel,) = rows.panels(sheet, [Head(title)], x, "bound ÷ measurement")
    panel.marks.append(Line([panel.at(1.0, panel.y.low), panel.at(1.0, panel.y.high)], "soft", 1.2, "dashed", "exact"))
    for name, members in known.items():
        for verdict, look in LOOKS.items():
            slacks = [bound.slack for bound in members if bound.verdict == verdict and bound.slack]
            places = [panel.at(slack, rows.height(name)) for slack in _distinct(slacks)]
            if places:
                label = f"{name}: {verdict}"
                panel.marks.append(Dots(places, look.color, look.shape, hollow=look.hollow, name=label))


def _distinct(slacks: Sequence[float]) -> list[float]:
    """One of those that cannot be told apart, within 2 %."""
    return sorted({round(50 * math.log(slack)): slack for slack in slacks}.values())


def _rows(known: Sequence[PlottedBound]) -> Iterator[Sequence[Value]]:
    for bound in known:
        numbers = bound.value, bound.measured, bound.slack
        yield bound.name, bound.method, bound.sparsity, *numbers, bound.verdict
