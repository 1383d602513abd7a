"""Accuracy over sparsity, the comparison of every pruning study: its runs, and their accuracies."""

from collections.abc import Sequence

from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.quantities import ScoreKey


def compared(group: Group) -> list[Run]:
    """The runs with known sparsity and accuracy; none if they all have the same sparsity."""
    known = [run for run in group.runs if run.sparsity is not None and run.accuracy("pruned")]
    return known if len({run.sparsity for run in known}) > 1 else []


def states(runs: Sequence[Run]) -> dict[str, str]:
    """The states of the networks to show, with their names: two if any was fine-tuned, otherwise one."""
    tuned = any(run.accuracy("before") not in (None, run.accuracy("pruned")) for run in runs)
    return {"before": "just pruned", "pruned": "after fine-tuning"} if tuned else {"pruned": "pruned"}


def dense_accuracy(runs: Sequence[Run]) -> float | None:
    """The dense networks' mean accuracy in percent, each network counted once."""
    trials = {str(trial.dense.sha256): trial for run in runs for trial in run.trials}
    accuracies = [trial.final(ScoreKey("dense", "test", "accuracy")) for trial in trials.values()]
    known = [value for value in accuracies if value is not None]
    return sum(known) / len(known) if known else None
