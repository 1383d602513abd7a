"""The moments at which AP and PD are compared: names and labels."""

from apcli.stages.report.runs.experiment import Group

FINAL = "final"
JUST_PRUNED = "just pruned"


def moments(group: Group) -> tuple[str, ...]:
    """The moments to compare at: final, and also just pruned if any run was fine-tuned."""
    followed = any((run.epochs or [0])[-1] > 0 for run in group.runs)
    return (FINAL, JUST_PRUNED) if followed else (FINAL,)


def moment_name(group: Group, moment: str) -> str:
    """The label of a moment."""
    if moment == JUST_PRUNED:
        return "right after pruning"
    tuned = any((run.epochs or [0])[-1] > 0 or run.accuracy("before") != run.accuracy("pruned") for run in group.runs)
    return "after fine-tuning" if tuned else "in the files as they stand"
