"""Accuracy over sparsity, the comparison that every study of pruning shows: which runs it is of, and what they say."""

from collections.abc import Sequence

from apcli.criteria import FILTER_METHODS, METHODS
from apcli.stages.report.experiment import Group, Run
from apcli.stages.report.quantities import ScoreKey

_CONTROLS = {row.name for table in (METHODS, FILTER_METHODS) for row in table if "seed" in row.needs}


def compared(group: Group) -> list[Run]:
    """The runs whose sparsity and accuracy are known; none where that is no comparison: of one sparsity alone."""
    known = [run for run in group.runs if run.sparsity is not None and run.accuracy("pruned")]
    return known if len({run.sparsity for run in known}) > 1 else []


def states(runs: Sequence[Run]) -> dict[str, str]:
    """The states whose accuracies are shown, with their names: two if any network was trained in between, else one."""
    tuned = any(run.accuracy("before") not in (None, run.accuracy("pruned")) for run in runs)
    return {"before": "just pruned", "pruned": "after fine-tuning"} if tuned else {"pruned": "pruned"}


def dense_accuracy(runs: Sequence[Run]) -> float | None:
    """In percent, the mean over the dense networks, each counted once."""
    trials = {str(trial.dense.sha256): trial for run in runs for trial in run.trials}
    accuracies = [trial.final(ScoreKey("dense", "test", "accuracy")) for trial in trials.values()]
    known = [value for value in accuracies if value is not None]
    return sum(known) / len(known) if known else None


def is_control(method: str) -> bool:
    """Whether a run's method, as labelled, removes at random."""
    return method.partition(" ")[0].partition(":")[0] in _CONTROLS
