"""The two tables that a study comes down to: accuracy by method and sparsity, and how far each measure follows PD."""

from collections.abc import Sequence
from dataclasses import dataclass

from apcli.stages.report.comparisons.agreement import Agreement, Over
from apcli.stages.report.comparisons.estimates import Estimate, estimate, estimate_of
from apcli.stages.report.comparisons.over_epochs import WithinNetworks
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs import accuracies
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED, Moment
from apcli.stages.report.runs.quantities import PD_LOSS, ApMeasure, Quantity, ScoreKey


@dataclass(frozen=True)
class MethodAccuracy:
    """The test accuracy of one method, in percent.

    Attributes:
        estimates: at each sparsity of the table; None where there is no such run.
        epochs: the means by epoch of fine-tuning, at the method's highest sparsity; empty: not traced.
    """

    method: str
    estimates: tuple[Estimate | None, ...]
    epochs: tuple[float | None, ...]


@dataclass(frozen=True)
class AccuracyTable:
    """Test accuracy by method and sparsity, at one moment.

    Attributes:
        state: of the networks, in words.
        sparsities: the columns; None: runs of unknown sparsity.
        dense: of the dense networks, each counted once; None: not known.
    """

    state: str
    sparsities: tuple[float | None, ...]
    rows: tuple[MethodAccuracy, ...]
    dense: Estimate | None

    @property
    def estimates(self) -> list[Estimate]:
        """Those that are known."""
        return [estimate for row in self.rows for estimate in row.estimates if estimate is not None]


@dataclass(frozen=True)
class Following:
    """The agreement of one measure with one PD.

    Attributes:
        final: over all runs; ``just_pruned`` likewise.
        same_sparsity: over pairs of runs at one sparsity, final.
        within: over the epochs of one pruned network.
        epochs: tau over all runs at each epoch.
    """

    measure: ApMeasure
    target: Quantity
    final: Agreement | None
    just_pruned: Agreement | None
    same_sparsity: Agreement | None
    within: WithinNetworks | None
    epochs: tuple[float | None, ...]


def accuracy_tables(group: Group) -> list[AccuracyTable]:
    """A table for the final networks, and before it one for those just pruned, if any was fine-tuned."""
    runs = [run for run in group.runs if run.accuracy("pruned")]
    return [_accuracy_table(runs, state, name) for state, name in accuracies.states(runs).items()] if runs else []


def following(group: Group) -> list[Following]:
    """A row for each measure and PD of which the order of the runs, or of the epochs, can be compared."""
    rows = (_following(group, measure, target) for target in PD_LOSS for measure in group.measures)
    return [row for row in rows if row is not None]


def _accuracy_table(runs: Sequence[Run], state: str, name: str) -> AccuracyTable:
    sparsities = sorted({run.sparsity for run in runs}, key=lambda one: (one is None, one))
    by_method: dict[str, dict[float | None, Run]] = {}
    for run in runs:
        by_method.setdefault(run.method, {})[run.sparsity] = run
    rows = []
    for method, known in by_method.items():
        estimates = (estimate_of(known[s], lambda t: t.accuracy(state)) if s in known else None for s in sparsities)
        rows.append(MethodAccuracy(method, tuple(estimates), _by_epoch(list(known.values())[-1])))
    dense = {t.network: value for run in runs for t in run.trials if (value := t.accuracy("dense")) is not None}
    return AccuracyTable(name, tuple(sparsities), tuple(rows), estimate(dense.items()) if dense else None)


def _by_epoch(run: Run) -> tuple[float | None, ...]:
    stats = [run.at(ScoreKey("pruned", "test", "accuracy"), epoch) for epoch in run.epochs]
    return tuple(None if stat is None else stat.mean for stat in stats)


def _following(group: Group, measure: ApMeasure, target: Quantity) -> Following | None:
    compared = comparisons_of(group)

    def found(over: Over, moment: Moment) -> Agreement | None:
        places = ((a.measure, a.target, a.over, a.moment) for a in compared.agreements)
        wanted = (measure, target, over, moment)
        return next((a for a, place in zip(compared.agreements, places, strict=True) if place == wanted), None)

    within = [w for w in compared.within_networks if (w.measure, w.target) == (measure, target)]
    epochs = [a for a in compared.by_epoch if (a.measure, a.target, a.over) == (measure, target, "all")]
    row = Following(
        measure,
        target,
        found("all", FINAL),
        found("all", JUST_PRUNED),
        found("same sparsity", FINAL),
        within[0] if within else None,
        tuple(a.tau for a in epochs),
    )
    return row if row.final or row.just_pruned or row.within else None
