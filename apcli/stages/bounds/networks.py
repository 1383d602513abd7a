"""The networks of a pair, and what they compute on the images: losses, logits, and which other tensors differ."""

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from torch import nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.configs.bounds import BoundsConfig
from apcli.data.datasets import Dataset, evenly
from apcli.devices import device_of
from apcli.models.spec import ModelSpec
from apcli.networks import Networks, batches_of, forward_batches, running
from apcli.probes.batch_size import halved_if_needed
from apcli.probes.outputs import Outputs, outputs_of
from apcli.probes.undisturbed import Batches
from apcli.progress import Tell
from apcli.stages.bounds.files import Files

T = TypeVar("T")


class Pairs:
    """Builds the networks of a stream of pairs; what a dense file shows is found out once for all its pruned files."""

    def __init__(self, config: BoundsConfig, tell: Tell) -> None:
        self.config, self.tell = config, tell
        self._networks = Networks(config.data, config.model, device_of(config.device), tell, config.inputs)
        self._dense: tuple[Any, ...] | None = None
        self._kept: dict[Hashable, Any] = {}

    def of(self, files: Files) -> "NetworkPair":
        """The networks of a pair.

        Raises:
            UsageError: the network or the data is unknown.
        """
        spec, dataset = self._networks.of_pair(files.dense, files.pruned)
        return NetworkPair(files, spec, dataset, self)

    def network(self, spec: ModelSpec, checkpoint: Checkpoint) -> nn.Module:
        """A checkpoint's network on the device, in evaluation mode.

        Raises:
            ApcliError: a weight or a running statistic is NaN or Inf.
        """
        network = self._networks.network(spec, checkpoint).eval()
        names = {name for name, _ in network.named_parameters(remove_duplicate=False)}
        names |= {name for name, _ in network.named_buffers() if name.endswith(("running_mean", "running_var"))}
        checkpoint.check_finite(name for name in checkpoint.entries if name in names)
        return network

    def once(self, pair: "NetworkPair", what: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, kept for the next pair of the same dense file, data and network."""
        dense = (pair.files.dense.sha256, pair.spec, *pair.evaluated.values())
        if self._dense != dense:
            self._dense, self._kept = dense, {}
        if what not in self._kept:
            self._kept[what] = make()
        found: T = self._kept[what]
        return found


class NetworkPair:
    """The dense and the pruned network, and the images: a fixed part of the split, without augmentation.

    Attributes:
        evaluated: the images, as described in records.
        trained_on: number of images in the training split.
    """

    def __init__(self, files: Files, spec: ModelSpec, dataset: Dataset, pairs: Pairs) -> None:
        self.files, self.spec, self._pairs = files, spec, pairs
        config = pairs.config
        self.trained_on = len(dataset.train)
        self.split = evenly(getattr(dataset, config.split), config.images)
        self.evaluated: Mapping[str, Any] = {
            "data": dataset.name,
            "split": config.split,
            "images": len(self.split),
            "seed": config.seed,
        }

    @cached_property
    def dense(self) -> nn.Module:
        """The dense network."""
        return self._pairs.network(self.spec, self.files.dense)

    @cached_property
    def pruned(self) -> nn.Module:
        """The pruned network."""
        return self._pairs.network(self.spec, self.files.pruned)

    @cached_property
    def dense_outputs(self) -> Outputs:
        """What the dense network computes on the images."""
        return self.once("outputs", lambda: self.outputs_of(self.dense, self.files.dense.label))

    def once(self, what: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` finds out about the dense network, once for all its pruned files; ``what`` names it."""
        return self._pairs.once(self, what, make)

    @cached_property
    def pruned_outputs(self) -> Outputs:
        """What the pruned network computes on the images."""
        return self.outputs_of(self.pruned, self.files.pruned.label)

    @property
    def batches(self) -> Batches:
        """The images and labels as the networks take them, ``--batch-size`` at a time, always the same."""
        return batches_of(self.split, self.spec, self._pairs.config.batch_size)

    def outputs_of(self, network: nn.Module, label: str) -> Outputs:
        """What a network computes on the images; ``label`` names it in messages.

        Raises:
            ApcliError: a logit is NaN or Inf, or the network fails.
        """
        self._pairs.tell(f"running {label}")

        def measured(size: int) -> Outputs:
            return outputs_of(network, forward_batches(network, self.split, self.spec, size), label)

        with running(label, self.spec):
            return halved_if_needed(measured, self._pairs.config.batch_size)

    @cached_property
    def other_differences(self) -> tuple[str, ...]:
        """The tensors beside the compared layers that differ between the files, or are in one alone, by name."""
        compared = {layer.tensor for layer in self.files.layers}
        dense, pruned = self.files.dense.entries, self.files.pruned.entries
        return tuple(
            name
            for name in dict.fromkeys((*dense, *pruned))
            if name not in compared and not (name in dense and name in pruned and _agree(dense[name], pruned[name]))
        )


def _agree(one: Entry, other: Entry) -> bool:
    """Whether two tensors have the same elements, floating-point ones in whatever precision."""
    if one.shape != other.shape or one.is_float != other.is_float:
        return False
    if one.is_float:
        return np.array_equal(one.values, other.values)
    return one.dtype == other.dtype and np.array_equal(one.data, other.data)
