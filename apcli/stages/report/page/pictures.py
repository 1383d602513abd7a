"""Which figures a report has, what they are called and what is said below them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from apcli import figures
from apcli.figures import Estimate, Point, Series, accuracy
from apcli.figures.accuracy import Curve
from apcli.stages.report import accuracies
from apcli.stages.report.agreement import agreements, moment_name
from apcli.stages.report.experiment import Group, Report, Stat
from apcli.stages.report.ranking import LOWER, Ranking, rankings

METHOD_FIXED, SPARSITY_FIXED, OVER_SPARSITY, SCATTER = "by-sparsity", "by-method", "over-sparsity", "ap-against-pd"
RANKED, ACCURACY = "ranking", "accuracy"
SEEDS = "Lines are means over seeds, bands ± 1 standard deviation."

TAUS = (
    "Kendall’s τ over all runs with its 95 % bootstrap interval. Orange: the best; hollow: lower than the best; "
    "otherwise not distinguishable from it, or too few runs to say."
)
CONTROLS = (
    "Top-1 on the test split. Dotted: controls, which remove at random; what is not above them has found nothing. The "
    "sparsities are spaced by the logarithm of 1 / (1 − sparsity)."
)


@dataclass(frozen=True)
class Drawing:
    """A figure of a group with its file name (without suffix), its section and its caption."""

    group: Group
    name: str
    section: str
    caption: str
    figure: Figure


def series(group: Group) -> list[Series]:
    """Every known measure of every run, in the report's order."""
    found = []
    for run in group.runs:
        for quantity in group.quantities:
            final = run.final(quantity.key)
            epochs = run.epochs if any(run.at(quantity.key, epoch) for epoch in run.epochs) else []
            points = tuple(_point(run.at(quantity.key, epoch)) for epoch in epochs)
            kind, label, unit = quantity.kind, quantity.label, quantity.unit
            found.append(Series(run.method, run.sparsity, label, unit, kind, tuple(epochs), points, _point(final)))
    return found


def drawings(report: Report) -> list[Drawing]:
    """All figures of a report; names are unique and hold only letters, digits, dots and dashes."""
    taken: set[str] = set()
    found = []
    for group in report.groups:
        prefix = f"{group.title}." if len(report.groups) > 1 else ""
        for drawing in _of(group, series(group)):
            stem = name = _slug(f"{prefix}{drawing.name}")
            for count in range(2, len(taken) + 3):
                if name not in taken:
                    break
                name = f"{stem}-{count}"
            taken.add(name)
            found.append(replace(drawing, name=name))
    return found


def taus(group: Group, made: Sequence[Ranking]) -> dict[str, dict[str, Estimate]]:
    """By ranking, then by measure: its tau. Measures stand in the order of the first ranking."""
    panels = {}
    for ranking in made:
        title = f"PD, {ranking.target.words},\n{moment_name(group, ranking.moment)}"
        panels[title] = {
            measure.label: Estimate(
                place.agreement.tau or 0.0, place.agreement.interval, place is ranking.best, place.verdict == LOWER
            )
            for place in ranking.places
            for measure in place.measures
        }
    return panels


def _of(group: Group, data: Sequence[Series]) -> list[Drawing]:
    made = rankings(agreements(group))
    ranked = figures.ranking(taus(group, made)) if made else None
    band = f" {SEEDS}" if any(len(run.trials) > 1 for run in group.runs) else ""
    found = [Drawing(group, RANKED, RANKED, TAUS, ranked)] if ranked else []
    if accuracies.compared(group):
        bars = " Bars are ± 1 sd over seeds." if band else ""
        found.append(Drawing(group, ACCURACY, ACCURACY, f"{CONTROLS}{bars}", _accuracy(group)))
    traced = [run for run in group.runs if run.epochs]
    for method in dict.fromkeys(run.method for run in traced):
        words = f"Method {method}: each measure over the epochs of fine-tuning, one line for each sparsity.{band}"
        found.append(Drawing(group, f"by-sparsity.{method}", METHOD_FIXED, words, figures.by_sparsity(data, method)))
    for sparsity in sorted({run.sparsity for run in traced if run.sparsity is not None}):
        words = f"Sparsity {sparsity:g}: each measure over the epochs of fine-tuning, one line for each method.{band}"
        found.append(
            Drawing(group, f"by-method.{sparsity:g}", SPARSITY_FIXED, words, figures.by_method(data, sparsity))
        )
    if data and len(traced) < len(group.runs):
        words = "Each measure in the files as they stand, one line for each method; bars are ± 1 sd over seeds."
        found.append(Drawing(group, "over-sparsity", OVER_SPARSITY, words, figures.over_sparsity(data)))
    if any(s.kind == "pd" for s in data) and group.measures:
        words = "One mark for each run: final values, means over seeds, log axes; a larger mark is a higher sparsity."
        found.append(Drawing(group, "ap-against-pd", SCATTER, words, figures.ap_against_pd(data)))
    return found


def _accuracy(group: Group) -> Figure:
    """A panel for each moment, a line for each method."""
    runs = accuracies.compared(group)
    panels = {}
    for state, title in accuracies.moments(runs).items():
        points: dict[str, dict[float, Point]] = {}
        for run in runs:
            if run.sparsity is not None:
                points.setdefault(run.method, {})[run.sparsity] = _point(run.accuracy(state))
        panels[title] = [Curve(method, accuracies.is_control(method), found) for method, found in points.items()]
    return accuracy.over_sparsity(panels, accuracies.dense_accuracy(runs))


def _point(value: Stat | None) -> Point:
    return Point(None) if value is None else Point(value.mean, value.sd)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:100]
