"""The numbers of a group as a study, which figures draw."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from apcli.figures.canvas.colors import Look
from apcli.figures.study import Curve, Kind, Network, PlottedEstimate, Point, Series, Study
from apcli.stages.report.comparisons.agreement import AMONG, Agreement
from apcli.stages.report.comparisons.ranking import LOWER, MeasureRanking
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.drawing.behaviour import plotted_behaviours
from apcli.stages.report.drawing.bounds import plotted_bounds, plotted_limits
from apcli.stages.report.drawing.costs import costs_of
from apcli.stages.report.drawing.histograms import weights_of
from apcli.stages.report.drawing.layers import layers_of, pruned_each, single_layers_of
from apcli.stages.report.drawing.widths import dependence_by_epoch_of, dependences_of, widths_of
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import moment_name
from apcli.stages.report.runs.quantities import ApKey, ApMeasure, Key, Quantity, ScoreKey
from apcli.stages.report.runs.trials import Trial
from apcli.stages.report.words import bracketed, is_point, signed
from apcli.theory.statistics.performance import SPLITS


def study_of(group: Group, looks: Mapping[str, Look]) -> Study:
    """The numbers of a group; ``looks`` are those of the methods of the whole report.

    Networks that were pruned in one layer alone, as ``--layers each`` does, are shown by layer only.
    """
    single = pruned_each(group)
    alone = {id(run) for run in single}
    shown = replace(group, runs=tuple(run for run in group.runs if id(run) not in alone)) if single else group
    runs, compared = accuracies.compared(shown), comparisons_of(shown)
    return Study(
        looks=looks,
        series=tuple(_series(shown)),
        networks=tuple(network for run in shown.runs for network in _networks(shown, run)),
        training=tuple(_training(shown)),
        accuracies=_accuracies(runs),
        dense_accuracy=accuracies.dense_accuracy(runs),
        costs=costs_of(runs),
        rankings=taus(shown, compared.rankings),
        taus_by_epoch=_taus_by_epoch(compared.by_epoch),
        agreements=_words(compared.agreements),
        layers=layers_of(shown),
        single_layers=single_layers_of(group, single),
        weights=weights_of(shown),
        bounds=plotted_bounds(group),
        limits=plotted_limits(group),
        behaved=plotted_behaviours(group),
        widths=widths_of(group),
        dependences=dependences_of(group),
        dependence_by_epoch=dependence_by_epoch_of(group),
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


def _taus_by_epoch(agreements: Iterable[Agreement]) -> dict[str, dict[str, tuple[tuple[int, PlottedEstimate], ...]]]:
    """Each measure's tau at every epoch, by the runs that are compared and by PD."""
    panels: dict[str, dict[str, tuple[tuple[int, PlottedEstimate], ...]]] = {}
    for a in agreements:
        if a.tau is not None and isinstance(a.moment, int):
            curves = panels.setdefault(f"PD, {a.target.words}, {AMONG[a.over]}", {})
            curves[a.measure.label] = (*curves.get(a.measure.label, ()), (a.moment, PlottedEstimate(a.tau, a.interval)))
    return panels


def _words(agreements: Iterable[Agreement]) -> dict[tuple[str, str], str]:
    """By measure and PD, tau over all runs with its interval, a line for each moment."""
    taus: dict[tuple[str, str], list[str]] = {}
    for a in agreements:
        if a.over == "all" and a.tau is not None:
            around = f"in all {a.known} networks" if is_point(a.interval) else bracketed(a.interval)
            words = ["τ", signed(a.tau), around, str(a.moment)]
            taus.setdefault((a.measure.label, a.target.label), []).append(" ".join(filter(None, words)))
    return {pair: "\n".join(lines) for pair, lines in taus.items()}


def _kind(quantity: Quantity) -> Kind:
    if isinstance(quantity, ApMeasure):
        return "ap2" if quantity.is_number else "ap3"
    return "pd"


def _series(group: Group) -> Iterator[Series]:
    """The series of every known measure of every run in the report's order, and the changes of accuracy."""
    for run in group.runs:
        for q in group.quantities:
            yield _one_series(run, q.label, q.unit, _kind(q), q.key)
        for split in SPLITS:
            keys = ScoreKey("pruned", split, "accuracy"), ScoreKey("dense", split, "accuracy")
            changes = _one_series(run, f"Accuracy change, {split}", "percentage points", "change", *keys)
            if changes.points or changes.final is not None:
                yield changes


def _one_series(run: Run, label: str, unit: str, kind: Kind, key: Key, less: Key | None = None) -> Series:
    """The values of a key; those of each network less its final value of another key on request."""
    points = tuple(Point.of(_value(trial, key, epoch, less) for trial in run.trials) for epoch in run.epochs)
    epochs = tuple(run.epochs) if any(points) else ()
    final = Point.of(_value(trial, key, trial.last(key), less) for trial in run.trials)
    return Series(run.method, run.sparsity, label, unit, kind, epochs, points if epochs else (), final)


def _value(trial: Trial, key: Key, epoch: int | None, less: Key | None) -> float | None:
    value, other = trial.at(key, epoch), 0.0 if less is None else trial.final(less)
    return None if value is None or other is None else value - other


def _training(group: Group) -> Iterator[Series]:
    """The losses and accuracies of the traced runs."""
    for run in group.runs:
        for what, unit in (("loss", "nats"), ("accuracy", "%")):
            for split in SPLITS:
                curve = _one_series(run, f"{split} {what}", unit, "network", ScoreKey("pruned", split, what))
                if curve.points:
                    yield curve


def _networks(group: Group, run: Run) -> Iterator[Network]:
    for trial in run.trials:
        epochs = tuple(sorted({e for key, e in trial.values if isinstance(key, ApKey) and e is not None}))
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
            point = Point.of(trial.accuracy(state) for trial in run.trials)
            if run.sparsity is not None and point is not None:
                points.setdefault(run.method, {})[run.sparsity] = point
        order = [method for method in dict.fromkeys(run.method for run in runs) if method in points]
        panels[title] = tuple(Curve(method, points[method]) for method in order)
    return panels
