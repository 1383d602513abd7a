"""The moments at which AP and PD are compared: names and labels."""

from apcli.stages.report.runs.experiment import Group, Run, Stat
from apcli.stages.report.runs.quantities import Key
from apcli.stages.report.runs.trials import Trial
from apcli.words import count

FINAL = "final"
JUST_PRUNED = "just pruned"
Moment = str | int  # one of these, or an epoch of fine-tuning


def moments(group: Group) -> tuple[str, ...]:
    """The moments to compare at: final, and also just pruned if any run was fine-tuned."""
    followed = any((run.epochs or [0])[-1] > 0 for run in group.runs)
    return (FINAL, JUST_PRUNED) if followed else (FINAL,)


def value_at(trial: Trial, key: Key, moment: Moment) -> float | None:
    """A trial's value at a moment; None if it is not known."""
    if moment == FINAL:
        return trial.final(key)
    return trial.at(key, 0 if moment == JUST_PRUNED else int(moment))


def stat_at(run: Run, key: Key, moment: Moment) -> Stat | None:
    """A run's quantity at a moment, over its trials; None if it is not known."""
    return run.final(key) if moment == FINAL else run.at(key, 0 if moment == JUST_PRUNED else int(moment))


def moment_name(group: Group, moment: Moment) -> str:
    """The label of a moment."""
    if isinstance(moment, int):
        return f"after {count(moment, 'epoch')}"
    if moment == JUST_PRUNED:
        return "right after pruning"
    tuned = any((run.epochs or [0])[-1] > 0 or run.accuracy("before") != run.accuracy("pruned") for run in group.runs)
    return "after fine-tuning" if tuned else "in the files as they stand"
