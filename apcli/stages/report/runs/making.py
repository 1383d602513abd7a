"""How the files of a group were made, by the lineages of those that are described."""

from collections.abc import Iterator
from dataclasses import dataclass

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Settings, is_count
from apcli.errors import ApcliError
from apcli.records.checkpoint import CheckpointRecord
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.trials import Trial

_SPLITS = 2  # train and test


@dataclass(frozen=True)
class Made:
    """A trial, with the lineages of its pruned and of its dense file; ``Lineage.EMPTY``: not known."""

    run: Run
    trial: Trial
    lineage: Lineage
    dense: Lineage

    @property
    def tuned(self) -> tuple[Settings, ...]:
        """The settings of each fine-tuning with at least one epoch."""
        stages = (one for one in self.lineage.settings if one.stage == "finetune")
        return tuple(one for one in stages if is_count(one.options.get("epochs")) and one.options["epochs"])

    @property
    def images(self) -> int | None:
        """The number of training images of the stage that made the file."""
        return (self.lineage.data or {}).get("part") or self._split(0)

    @property
    def test_images(self) -> int | None:
        """The number of the data's test images."""
        return self._split(1)

    def _split(self, place: int) -> int | None:
        sizes = (self.lineage.data or {}).get("images")
        if isinstance(sizes, list) and len(sizes) == _SPLITS and is_count(sizes[place]):
            return int(sizes[place])
        return None

    @property
    def layers(self) -> dict[str, str]:
        """By tensor, the names of the layers that can be pruned; none if the file is not described."""
        described = self.trial.checkpoint
        return {t.name: t.layer for t in described.tensors if t.layer is not None} if described else {}

    @property
    def pruned(self) -> tuple[str, ...]:
        """The names of the layers that were pruned: as promised or, if that is not known, those that were compared."""
        promised = tuple(layer for tensor, layer in self.layers.items() if tensor in self.lineage.pruned)
        return promised or self.trial.layers

    @property
    def last(self) -> str | None:
        """The name of the network's last layer; None: not known."""
        return self.layers.get(self.lineage.last_layer or "")


def made_of(group: Group) -> tuple[Made, ...]:
    """The making of every trial, in the order of the runs."""
    return tuple(_made(group))


def _made(group: Group) -> Iterator[Made]:
    for run in group.runs:
        for trial in run.trials:
            yield Made(run, trial, lineage_of(trial.checkpoint), lineage_of(trial.dense_checkpoint))


def layers_of(run: Run) -> tuple[str, ...]:
    """The layers that were pruned in a run's first file."""
    trial = run.trials[0]
    return Made(run, trial, lineage_of(trial.checkpoint), Lineage.EMPTY).pruned


def lineage_of(described: CheckpointRecord | None) -> Lineage:
    """The lineage of a described file; ``Lineage.EMPTY`` if there is none that this apcli can read."""
    try:
        return Lineage.EMPTY if described is None else described.made
    except ApcliError:
        return Lineage.EMPTY
