"""What the networks of runs cost: parameters, multiply-adds, bytes and time."""

from collections.abc import Sequence

from apcli.figures.study import Cost, Point
from apcli.stages.report.runs.experiment import Run
from apcli.stages.report.runs.trials import Trial


def costs_of(runs: Sequence[Run]) -> tuple[Cost, ...]:
    """What the networks cost, for runs whose accuracy is known."""
    made = []
    for run in runs:
        accuracy = Point.of(trial.accuracy("pruned") for trial in run.trials)
        known = [_cost(trial) for trial in run.trials]
        costs = {name: Point.of(cost.get(name) for cost in known) for cost in known for name in cost}
        if accuracy is not None and costs:
            points = {name: point for name, point in costs.items() if point is not None}
            made.append(Cost(run.method, run.sparsity, accuracy, points))
    return tuple(made)


def _cost(trial: Trial) -> dict[str, float]:
    """Ratios to the dense network, and times."""
    pruned = trial.checkpoint
    if pruned is None:
        return {}
    costs = {}
    if trial.compression is not None:
        costs["parameters, dense ÷ kept"] = trial.compression
    if pruned.macs is not None and pruned.macs.theoretical_speedup is not None:
        costs["multiply-adds, dense ÷ kept"] = pruned.macs.theoretical_speedup
    if pruned.dense_bytes is not None:
        costs["bytes of the file, dense ÷ pruned"] = pruned.dense_bytes / max(pruned.bytes, 1)
    if pruned.latency is not None:
        costs["latency, ms for a batch"] = 1000 * pruned.latency.median
    return costs
