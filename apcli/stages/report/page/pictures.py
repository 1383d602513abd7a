"""Draw the pictures of a report, with captions and file names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from apcli.figures import FIGURES, FigureRow
from apcli.figures.study import Curve, PlottedEstimate, Point, Series, Study
from apcli.figures.style import svg
from apcli.stages.report.comparisons.agreement import agreements_of
from apcli.stages.report.comparisons.ranking import LOWER, MeasureRanking, rankings
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Report, Stat
from apcli.stages.report.runs.labels import is_control
from apcli.stages.report.runs.moments import moment_name


@dataclass(frozen=True)
class Picture:
    """A drawn figure of a group, with its row, its file name (without suffix) and its caption."""

    group: Group
    row: FigureRow
    name: str
    caption: str
    figure: Figure

    @property
    def element(self) -> str:
        """The ``<svg>`` element alone: its identifiers unique on a page of several, no reference to elsewhere."""
        text = svg(self.figure).decode()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", text, flags=re.DOTALL)
        text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
        text = text.replace("xlink:href=", "href=")
        return re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{self.name}.", text)


def pictures(report: Report) -> list[Picture]:
    """Draw all figures of a report; names are unique and consist of letters, digits, dots and dashes."""
    taken: set[str] = set()
    drawn = []
    for group in report.groups:
        prefix = f"{group.title}." if len(report.groups) > 1 else ""
        study, several = study_of(group), any(len(run.trials) > 1 for run in group.runs)
        for row in FIGURES:
            for subject in _subjects(row, study):
                suffix = "" if subject is None else f".{_text(subject)}"
                name = _unique(_slug(f"{prefix}{row.name}{suffix}"), taken)
                figure = row.load()(study) if subject is None else row.load()(study, subject)
                caption = row.summary if subject is None else row.summary.format(_text(subject))
                seeds = f" {row.seeds}" if row.seeds and several else ""
                drawn.append(Picture(group, row, name, f"{caption}{seeds}", figure))
    return drawn


def study_of(group: Group) -> Study:
    """The numbers of a group, for figures."""
    runs = accuracies.compared(group)
    return Study(
        series=tuple(_series(group)),
        accuracies=_accuracies(group),
        dense_accuracy=accuracies.dense_accuracy(runs),
        rankings=taus(group, rankings(agreements_of(group))),
    )


def taus(group: Group, made: Sequence[MeasureRanking]) -> dict[str, dict[str, PlottedEstimate]]:
    """Each measure's tau, by ranking and then by measure, in the order of the first ranking."""
    panels = {}
    for ranking in made:
        title = f"PD, {ranking.target.words},\n{moment_name(group, ranking.moment)}"
        panels[title] = {
            measure.label: PlottedEstimate(
                place.agreement.tau or 0.0, place.agreement.interval, place is ranking.best, place.verdict == LOWER
            )
            for place in ranking.places
            for measure in place.measures
        }
    return panels


def _subjects(row: FigureRow, study: Study) -> Sequence[str | float | None]:
    """Yield the methods or sparsities to draw a figure for, or None for all together; nothing if a need is not met."""
    if not set(row.needs) <= study.holds:
        return []
    series = study.traced if "epochs" in row.needs else study.series
    if row.per == "method":
        return list(dict.fromkeys(s.method for s in series))
    if row.per == "sparsity":
        return sorted({s.sparsity for s in series if s.sparsity is not None})
    return [None]


def _series(group: Group) -> list[Series]:
    """The series of every known measure of every run, in the report's order."""
    series = []
    for run in group.runs:
        for quantity in group.quantities:
            final = run.final(quantity.key)
            epochs = run.epochs if any(run.at(quantity.key, epoch) for epoch in run.epochs) else []
            points = tuple(_point(run.at(quantity.key, epoch)) for epoch in epochs)
            kind, label, unit = quantity.kind, quantity.label, quantity.unit
            series.append(Series(run.method, run.sparsity, label, unit, kind, tuple(epochs), points, _point(final)))
    return series


def _accuracies(group: Group) -> dict[str, tuple[Curve, ...]]:
    """A curve for each method, by the networks' state; empty if there is nothing to compare."""
    runs = accuracies.compared(group)
    panels = {}
    for state, title in accuracies.states(runs).items() if runs else ():
        points: dict[str, dict[float, Point]] = {}
        for run in runs:
            if run.sparsity is not None:
                points.setdefault(run.method, {})[run.sparsity] = _point(run.accuracy(state))
        panels[title] = tuple(Curve(method, is_control(method), p) for method, p in points.items())
    return panels


def _point(value: Stat | None) -> Point:
    return Point(None) if value is None else Point(value.mean, value.sd)


def _text(subject: str | float) -> str:
    return subject if isinstance(subject, str) else f"{subject:g}"


def _unique(stem: str, taken: set[str]) -> str:
    """The stem, with a number if it is taken already."""
    candidates = [stem, *(f"{stem}-{count}" for count in range(2, len(taken) + 3))]
    name = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(name)
    return name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:100]
