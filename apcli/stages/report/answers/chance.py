"""The level of chance: what a network that has learnt nothing gets right."""

from collections.abc import Sequence

from apcli.checkpoints.promises import is_count
from apcli.stages.report.runs.experiment import Run
from apcli.stages.report.runs.making import lineage_of

NEAR = 3.0  # percentage points around chance in which accuracies are not told from it
_SHARE = 0.5  # of the level itself, where that is less: 2 % of 100 classes is twice the chance


def chance_level(runs: Sequence[Run]) -> float | None:
    """The accuracy of guessing in percent, 100 / classes; None if no lineage says how many, or lineages differ."""
    made = [
        lineage_of(described) for run in runs for t in run.trials for described in (t.checkpoint, t.dense_checkpoint)
    ]
    counts = {(lineage.data or {}).get("classes") for lineage in made} - {None}
    classes = next(iter(counts)) if len(counts) == 1 else None
    return 100 / classes if classes and is_count(classes) and classes > 1 else None


def is_chance(accuracy: float | None, level: float | None) -> bool:
    """Whether an accuracy in percent is about the level of chance."""
    if accuracy is None or level is None:
        return False
    return abs(accuracy - level) <= min(NEAR, _SHARE * level)
