"""The bounds and the pruning limits of a group, as figures draw them."""

from apcli.figures.study import LossPoint, PlottedBound, PlottedLimit
from apcli.stages.report.comparisons.bounds import statements_of
from apcli.stages.report.comparisons.limits import limits_of
from apcli.stages.report.runs.experiment import Group


def plotted_bounds(group: Group) -> tuple[PlottedBound, ...]:
    """Every record of every statement."""
    made = []
    for statement in statements_of(group):
        for record in statement.records:
            b = record.bound
            about = record.method or record.pruned.path or "", record.sparsity.requested
            made.append(PlottedBound(b.statement, b.quantity, *about, b.value, b.measured, b.slack, b.verdict))
    return tuple(made)


def plotted_limits(group: Group) -> tuple[PlottedLimit, ...]:
    """The limits of each dense network whose loss was measured over the sparsity, or whose spectrum is known."""
    made = []
    for found in limits_of(group):
        points = sorted(found.curve, key=lambda point: point.sparsity)
        spectrum = found.spectrum
        made.append(
            PlottedLimit(
                found.name,
                dict(sorted(found.sparsities.items(), key=lambda item: item[1])),
                found.eps,
                tuple(LossPoint(point.sparsity, point.rise, point.second_order) for point in points),
                tuple(zip(spectrum.values, spectrum.weights, strict=True)) if spectrum else (),
                found.threshold,
            )
        )
    return tuple(made)
