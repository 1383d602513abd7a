"""The numbers of a group as a study, which figures draw."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from apcli.figures.canvas.colors import Look
from apcli.figures.study import Curve, Kind, Network, PlottedEstimate, Point, Series, Study
from apcli.stages.report.comparisons.agreement import Agreement
from apcli.stages.report.comparisons.ranking import LOWER, MeasureRanking
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import moment_name
from apcli.stages.report.runs.quantities import ApMeasure, Quantity
from apcli.stages.report.words import signed


def study_of(group: Group, looks: Mapping[str, Look]) -> Study:
    """The numbers of a group; ``looks`` are those of the methods of the whole report."""
    runs, compared = accuracies.compared(group), comparisons_of(group)
    return Study(
        looks=looks,
        series=tuple(_series(group)),
        networks=tuple(network for run in group.runs for network in _networks(group, run)),
        accuracies=_accuracies(runs),
        dense_accuracy=accuracies.dense_accuracy(runs),
        rankings=taus(group, compared.rankings),
        agreements=_words(compared.agreements),
    )


def taus(group: Group, made: Sequence[MeasureRanking]) -> dict[str, dict[str, PlottedEstimate]]:
    """Each measure's tau, by ranking and then by measure, in the order of the first ranking."""
    panels = {}
    for ranking in made:
        title = f"PD, {ranking.target.words}, {moment_name(group, ranking.moment)}"
        panels[title] = {
            measure.label: PlottedEstimate(
                place.agreement.tau or 0.0, place.agreement.interval, place is ranking.best, place.verdict == LOWER
            )
            for place in ranking.places
            for measure in place.measures
        }
    return panels


def _words(agreements: Iterable[Agreement]) -> dict[tuple[str, str], str]:
    """By measure and PD, tau over all runs just pruned and final."""
    taus: dict[tuple[str, str], list[str]] = {}
    for a in agreements:
        if a.over == "all" and a.tau is not None:
            taus.setdefault((a.measure.label, a.target.label), []).append(f"{signed(a.tau)} {a.moment}")
    return {pair: f"τ {', '.join(words)}" for pair, words in taus.items()}


def _kind(quantity: Quantity) -> Kind:
    if isinstance(quantity, ApMeasure):
        return "ap2" if quantity.is_number else "ap3"
    return "pd"


def _series(group: Group) -> Iterator[Series]:
    """The series of every known measure of every run, in the report's order."""
    for run in group.runs:
        for q in group.quantities:
            traced = [trial.at(q.key, epoch) for trial in run.trials for epoch in run.epochs]
            epochs = tuple(run.epochs) if any(value is not None for value in traced) else ()
            points = tuple(_point(trial.at(q.key, epoch) for trial in run.trials) for epoch in epochs)
            final = _point(trial.final(q.key) for trial in run.trials)
            yield Series(run.method, run.sparsity, q.label, q.unit, _kind(q), epochs, points, final)


def _networks(group: Group, run: Run) -> Iterator[Network]:
    for trial in run.trials:
        epochs = tuple(sorted({epoch for _, epoch in trial.values if epoch is not None}))
        values = {
            q.label: tuple(trial.at(q.key, epoch) for epoch in epochs) if epochs else (trial.final(q.key),)
            for q in group.quantities
        }
        yield Network(run.method, run.sparsity, trial.name, epochs, values)


def _accuracies(runs: Sequence[Run]) -> dict[str, tuple[Curve, ...]]:
    """A curve for each method, by the networks' state; empty if there is nothing to compare."""
    panels = {}
    for state, title in accuracies.states(runs).items() if runs else ():
        points: dict[str, dict[float, Point]] = {}
        for run in sorted(runs, key=lambda run: run.sparsity or 0.0):
            point = _point(trial.accuracy(state) for trial in run.trials)
            if run.sparsity is not None and point is not None:
                points.setdefault(run.method, {})[run.sparsity] = point
        order = [method for method in dict.fromkeys(run.method for run in runs) if method in points]
        panels[title] = tuple(Curve(method, points[method]) for method in order)
    return panels


def _point(values: Iterable[float | None]) -> Point | None:
    """The known values; None if there is none."""
    known = tuple(value for value in values if value is not None)
    return Point(known) if known else None
