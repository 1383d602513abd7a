"""A network to be pruned, run on images."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer
from apcli.configs.prune import PruneConfig
from apcli.data.datasets import Dataset, Samples, evenly
from apcli.models.spec import ModelSpec
from apcli.networks import batches_of, forward_batches, running
from apcli.probes.batch_size import halved_if_needed
from apcli.probes.outputs import Outputs, outputs_of
from apcli.probes.undisturbed import Batches
from apcli.progress import Tell
from apcli.stages.limits.landscape import Landscape, Trained


@dataclass(frozen=True)
class OnImages:
    """A checkpoint's network on the images that criteria see, or on those held out; always the same ones.

    Attributes:
        dataset: None if nothing is to be run.
        landscapes: by its layers, the loss around the network and the damping of adjustments.
    """

    source: Checkpoint
    model: nn.Module
    spec: ModelSpec
    dataset: Dataset | None
    config: PruneConfig
    tell: Tell
    landscapes: dict[tuple[Layer, ...], tuple[Landscape, float]] = field(default_factory=dict)
    _outputs: dict[bool, Outputs] = field(default_factory=dict)

    def run(self, model: nn.Module, label: str, *, held_out: bool = False) -> Outputs:
        """What another network of the same kind computes; ``label`` names it in messages.

        Raises:
            ApcliError: a logit is NaN or Inf, or the network fails.
        """
        self.tell(f"running {label}")

        def measured(size: int) -> Outputs:
            return outputs_of(model, forward_batches(model, self._split(held_out), self.spec, size), label)

        with running(label, self.spec):
            return halved_if_needed(measured, self.config.batch_size)

    def outputs(self, *, held_out: bool = False) -> Outputs:
        """What the network itself computes."""
        if held_out not in self._outputs:
            self._outputs[held_out] = self.run(self.model, self.source.label, held_out=held_out)
        return self._outputs[held_out]

    def trained(self, layers: Sequence[Layer]) -> Trained:
        """The network, whose ``layers`` may lose weights, and the images that criteria see."""
        batches = self.batches()
        tensors, masked = tuple(layer.tensor for layer in layers), self.source.lineage.pruned
        return Trained(self.model, self.source.label, tensors, masked, batches, self.run, self.outputs())

    def batches(self) -> Batches:
        """The images that criteria see."""
        return batches_of(self._split(held_out=False), self.spec, self.config.batch_size)

    def _split(self, held_out: bool) -> Samples:
        assert self.dataset is not None
        if held_out:
            assert self.dataset.validation is not None
            return self.dataset.validation
        return evenly(getattr(self.dataset, self.config.split), self.config.images)
