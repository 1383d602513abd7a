"""Run the training of a stage: resume its saved state, log its progress, and keep the last good weights if it fails."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Promise, SplitMetrics
from apcli.checkpoints.reading import named
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.training import FinetuneConfig, LoopConfig, TrainConfig
from apcli.data.datasets import Dataset
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec
from apcli.networks import Networks
from apcli.progress import Pace, Progress
from apcli.stages.outputs import Outputs
from apcli.training.evaluation import evaluate, in_words
from apcli.training.forward import Forward
from apcli.training.logs import Logs
from apcli.training.loop import Diverged, Setup, Training
from apcli.training.masking import Masking
from apcli.training.optim.parameters import prunable
from apcli.training.processes import Processes
from apcli.training.recipe import Recipe
from apcli.training.resume import Resume
from apcli.words import few

log = logging.getLogger("apcli")


@dataclass(frozen=True)
class TrainingRun:
    """The inputs of one network's training.

    Attributes:
        lineage: the result's, as far as it is known before the training; its ``identity`` identifies the run.
        source: the file whose weights the run starts from; its other metadata is passed on to the result.
        promises_so_far: returns the promises of the weights after an epoch that are not in the lineage's ``pruned``.
    """

    path: Path
    spec: ModelSpec
    dataset: Dataset
    recipe: Recipe
    seed: int
    lineage: Lineage
    teacher: nn.Module | None = None
    promises_so_far: Callable[[Mapping[str, Tensor]], Mapping[str, Promise]] = lambda weights: {}
    source: Checkpoint | None = None

    @property
    def label(self) -> str:
        """The result's name in the line of progress, without its ending."""
        return self.path.name.split(".safetensors")[0]

    def knowing(self, **fields: Any) -> "TrainingRun":
        """The same run with these ``fields`` of the result's lineage filled in."""
        return replace(self, lineage=replace(self.lineage, **fields))


class Runs:
    """Trains the networks of one stage, one after another.

    Args:
        tell: shows a line of progress, with the share that is done.
    """

    def __init__(self, config: LoopConfig, outputs: Outputs, tell: Progress, processes: Processes) -> None:
        self.config = config
        self.outputs = outputs
        self.tell = tell
        self.processes = processes

    def train(
        self,
        network: nn.Module,
        run: TrainingRun,
        masking: Masking,
        only: Sequence[str] | None = None,
        traced: Sequence[str] = (),
    ) -> Training:
        """Train ``network`` in place, resuming a stopped run if there is one.

        Args:
            only: the parameters that learn; None: all.
            traced: the tensors whose values are kept for every epoch.

        Raises:
            UsageError: the saved state belongs to another run.
            ApcliError: the loss is no longer finite.
        """
        place = None if self.outputs.home else run.path
        resume = Resume(place, run.lineage.identity, self.config.checkpoint_every, fresh=not self.config.resume)
        pace = Pace(self.tell if self.processes.first else None, run.label, run.recipe.epochs)
        setup = Setup(run.spec, run.dataset, run.recipe, run.seed, only, run.teacher, traced)
        training = Training(network, setup, masking=masking, resume=resume, processes=self.processes, pace=pace)
        logs = Logs(self.config.log_dir if self.processes.first else None, run.path.stem, training.epoch)
        try:
            for entry in training.run():
                logs.write(entry)
                self._say(entry, run)
        except Diverged as error:
            raise self._lost(error, training, run) from None
        finally:
            logs.close()
        if run.recipe.l1 and self.processes.first:
            self._count_zeros(training.evaluated.network, run)
        return training

    def _count_zeros(self, network: nn.Module, run: TrainingRun) -> None:
        """Say how many weights a training with an l1 penalty leaves at exactly zero, those of a mask included."""
        weights = prunable(network).values()
        zeros, size = sum(int((weight == 0).sum()) for weight in weights), sum(weight.numel() for weight in weights)
        share = f"{100 * zeros / max(size, 1):.2f} %"
        label = self.outputs.label(run.path)
        log.info(
            "%s: %s of %s weights (%s) are exactly zero, with --l1 %g",
            label,
            f"{zeros:,}",
            f"{size:,}",
            share,
            run.recipe.l1,
        )

    def _say(self, entry: Mapping[str, Any], run: TrainingRun) -> None:
        """Print an epoch's numbers: as often as was asked for, else where no line of progress shows them."""
        interval, epoch, epochs = self.config.log_interval, entry["epoch"], run.recipe.epochs
        if not self.processes.first:
            return
        line = f"{self.outputs.label(run.path)}: epoch {epoch}/{epochs}: {in_words(entry)}"
        if interval is None:
            self.tell.note(line)
        elif interval and (epoch % interval == 0 or epoch == epochs):
            log.info("%s", line)

    def evaluate(self, network: nn.Module, run: TrainingRun) -> dict[str, SplitMetrics]:
        """The network's metrics on the run's data."""
        self.tell(f"evaluating {run.label}")
        recipe = run.recipe
        return evaluate(Forward(network, run.spec), run.dataset, recipe.batch_size, self.processes, recipe.splits)

    def finish(self, training: Training) -> None:
        """Remove the saved state: the result is written."""
        if self.processes.first:
            training.resume.remove()
        self.processes.any(False)  # the other processes wait until the state is removed

    def _lost(self, error: Diverged, training: Training, run: TrainingRun) -> ApcliError:
        """Save the last good weights in a separate file, and name it in the error."""
        if error.good is None or self.outputs.home or not self.processes.first:
            return error
        kept = run.path.with_name(f"{run.label}.last-good.safetensors")
        last = training.history[-1]
        metrics = {split: last[split] for split in run.dataset.splits if split in last}
        history = (*run.lineage.history, *training.history)
        pruned = {**run.lineage.pruned, **run.promises_so_far(error.good)}
        result = run.knowing(history=history, metrics=metrics, pruned=pruned)
        write(kept, entries_of(error.good), result.lineage, like=run.source)
        return ApcliError(f"{error}; the weights after epoch {last['epoch']} are kept in {kept}")


def teacher_of(
    config: TrainConfig | FinetuneConfig,
    networks: Networks,
    spec: ModelSpec,
    classes: Sequence[str],
    dense: Checkpoint | None = None,
) -> tuple[nn.Module | None, str | None]:
    """The network that ``--teacher`` names, and its file's SHA-256.

    Args:
        classes: the class of each output of the trained network; empty if unknown.
        dense: the checkpoint that ``--teacher dense`` means; None if there is none.

    Raises:
        UsageError: the file is missing, or its network's input or classes differ from the trained network's.
    """
    name = config.loop.teacher
    if name is None:
        return None, None
    if name == "dense" and dense is None:
        raise UsageError("--teacher dense: the dense network is not there: give --dense FILE, or --teacher FILE")
    source = dense if name == "dense" and dense is not None else named(name, config.weights_key)
    theirs = networks.options.known_spec(source)
    if theirs is None:
        theirs = spec
    if (theirs.num_classes, theirs.scaling) != (spec.num_classes, spec.scaling):
        raise UsageError(
            f"--teacher {name} expects a different input or predicts different classes than {spec.name}: "
            "expected a network of the same classes, input size, mean and std"
        )
    check_outputs(source, classes)
    return networks.network(theirs, source), source.sha256


def check_outputs(other: Checkpoint, classes: Sequence[str]) -> None:
    """Check that a network has the same classes as the one it is compared with, if both are known.

    Raises:
        UsageError: the classes or their order differ.
    """
    theirs = other.lineage.classes
    if theirs and classes and theirs != tuple(classes):
        raise UsageError(
            f"the outputs of {other.label} are {few(theirs)}, those of this network {few(classes)}: expected the same, "
            "in the same order"
        )
