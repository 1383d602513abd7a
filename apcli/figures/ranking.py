"""Rank correlations with their intervals: a panel for each ranking, a line for each measure."""

from collections.abc import Mapping

from apcli.figures.canvas.colors import Look
from apcli.figures.canvas.marks import Drawing, Line, Missing, columns_of
from apcli.figures.canvas.panels import Head, Key, Panel, Sheet
from apcli.figures.canvas.rows import Rows
from apcli.figures.canvas.scales import linear, text_of
from apcli.figures.canvas.words import listed
from apcli.figures.study import PlottedEstimate, Study

_NAMES = 190.0  # pixels, at most
_BEST, _OTHER = Look("method-2", "o"), Look("method-1", "o")


def ranking(study: Study) -> Drawing:
    """Measures from top to bottom in the order in which the rankings first name them.

    Raises:
        Missing: no two measures order the runs differently.
    """
    panels = study.rankings
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    if not names:
        raise Missing("no two measures order the runs differently, or their τ is not known")
    listed_rows = Rows.of(names, _NAMES)
    sheet = Sheet()
    sheet.legend(
        [
            Key("the best", _BEST.color, "o", None),
            Key("not distinguishable from it, or too few dense networks to say", _OTHER.color, "o", None),
            Key("lower", _OTHER.color, "o", None, hollow=True),
        ]
    )
    ends = [e.interval or (e.value, e.value) for panel in panels.values() for e in panel.values()]
    x = linear([0.0, *(end for pair in ends for end in pair)], most=4)
    titles, abreast = list(panels), min(len(panels), 2)
    for start in range(0, len(titles), 2):
        part = titles[start : start + 2]
        drawn = listed_rows.panels(sheet, [Head(title) for title in part], x, "Kendall’s τ", abreast)
        for title, panel in zip(part, drawn, strict=True):
            _panel(panel, panels[title], listed_rows)
    rows = [
        (title, name, e.value, *(e.interval or (None, None)), "best" if e.best else "lower" if e.lower else "")
        for title, panel in panels.items()
        for name, e in panel.items()
    ]
    about = f"Kendall's tau of {listed(names)}; one panel for each of: {listed(list(panels))}."
    columns = columns_of(("ranked against", "measure", "tau", "low", "high", "verdict"), rows)
    return sheet.drawing("Which projection orders PD best", about, columns)


def _panel(panel: Panel, estimates: Mapping[str, PlottedEstimate], rows: Rows) -> None:
    panel.marks.append(Line([panel.at(0.0, panel.y.low), panel.at(0.0, panel.y.high)], "soft", 1.0))
    for name, estimate in estimates.items():
        look, place = _BEST if estimate.best else _OTHER, rows.height(name)
        if estimate.interval:
            panel.line(estimate.interval, [place, place], look.color, name=name)
        panel.dots([estimate.value], [place], look, hollow=estimate.lower, name=f"{name}: τ {text_of(estimate.value)}")
