"""What the statements about PD are stated of: the two networks, what differs between them, and what was measured."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from apcli.models.build import last_layer
from apcli.models.copies import copy_of
from apcli.probes.outputs import Outputs
from apcli.stages.bounds.ap3 import head as heads
from apcli.stages.bounds.ap3.head import Head
from apcli.stages.bounds.ap3.risk import EXACT, NETWORK, Risk
from apcli.stages.bounds.measured import MeasuredPair, Weights


class Setting:
    """A pair on its images. Where the last linear layer alone differs, all is computed on it, in float64."""

    def __init__(self, pair: MeasuredPair) -> None:
        self.pair, self.network = pair, pair.on_data
        self.evaluated = self.network.evaluated

    @cached_property
    def differing(self) -> tuple[Weights, ...]:
        """The compared layers that differ."""
        return tuple(w for w in self.pair.weights if w.ap2 > 0)

    def others(self, *counted: str) -> tuple[str, ...]:
        """The tensors that differ, but for the counted ones."""
        names = (*(w.layer.tensor for w in self.differing), *self.network.other_differences)
        return tuple(name for name in names if name not in counted)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """The tensors that differ and are not in ``everything``."""
        counted = [w.layer.tensor for w in self.differing]
        return self.others(*counted, *([self.alone.bias] if self.alone else []))

    def are_one_dimensional(self, names: Sequence[str]) -> bool:
        """Whether a bias or a statistic is among these tensors."""
        entries = self.network.files.dense.entries
        return any(len(entries[name].shape) < 2 for name in names)

    @cached_property
    def last(self) -> Weights | None:
        """The network's last layer, if it is compared."""
        lineage = self.pair.pruned.lineage
        name = lineage.last_layer or last_layer(self.network.dense, self.network.spec)
        return next((w for w in self.pair.weights if name in w.layer.tensors), None)

    @cached_property
    def head(self) -> Head | None:
        """The last layer as a network of its own, if it is compared and linear."""
        return None if self.last is None else heads.head_of(self.network, self.last.layer.tensor)

    @cached_property
    def alone(self) -> Head | None:
        """The head, if nothing differs but its weight and its bias."""
        if self.head is None or self.others(self.head.tensor, self.head.bias):
            return None
        return self.head if heads.is_all(self.head, self.network) else None

    @cached_property
    def outputs(self) -> tuple[Outputs, Outputs]:
        """What the dense and the pruned network compute."""
        if self.alone:
            return self.alone.outputs(*self.alone.dense), self.alone.outputs(*self.alone.pruned)
        return self.network.dense_outputs, self.network.pruned_outputs

    @property
    def change(self) -> float:
        """R(w~) - R(w), the change of the mean cross-entropy, nats."""
        before, after = self.outputs
        return after.loss - before.loss

    @property
    def pd(self) -> float:
        """The size of that change."""
        return abs(self.change)

    @cached_property
    def rounding(self) -> float:
        """How far a loss may be off, in the arithmetic of the outputs."""
        of = np.float64 if self.alone else np.float32
        return 4 * float(np.finfo(of).eps) * max(float(np.abs(each.logits).max()) for each in self.outputs)

    @cached_property
    def last_weight(self) -> Risk | None:
        """The risk by the weight of the last layer, if that is compared."""
        if self.last is None:
            return None
        return self._of_network([self.last]) if self.head is None else self._of_head(self.head, ["weight"])

    @cached_property
    def weights(self) -> Risk:
        """The risk by the compared layers that differ; by all compared ones if none does."""
        return (self.alone and self.last_weight) or self._of_network(self.differing or self.pair.weights)

    @cached_property
    def everything(self) -> Risk:
        """The same with the last layer's bias, where that is all that differs beside."""
        if self.alone is None or "bias" not in self.alone.changes:
            return self.weights
        return self._of_head(self.alone, list(self.alone.changes))

    def _of_head(self, head: Head, names: Sequence[str]) -> Risk:
        changes = {name: head.changes[name] for name in names}
        seed, tell, renamed = self.pair.config.seed, self.pair.tell, {head.tensor: "weight", head.bias: "bias"}
        return Risk(head.module, changes, lambda: iter(head.batches()), EXACT, seed, tell, renamed=renamed)

    def _of_network(self, layers: Sequence[Weights]) -> Risk:
        changes = {w.layer.tensor: -w.difference for w in layers}
        network, seed, tell = self.network, self.pair.config.seed, self.pair.tell
        return Risk(network.dense, changes, network.batches, NETWORK, seed, tell, network.once)

    def slope_to(self, layers: Sequence[Weights]) -> float:
        """g'(w~ - w) with the pruned weights of these layers, of those that are in ``weights``."""
        changes = {self.weights.name_of(w.layer.tensor): -w.difference for w in layers if w.ap2}
        return self.weights.slope_to({name: each for name, each in changes.items() if name in self.weights.changes})

    def outputs_with(self, layers: Sequence[Weights], label: str) -> Outputs:
        """What the dense network computes with the pruned weights of these layers."""
        moved = {w.layer.tensor: w.pruned for w in layers if w.ap2}
        if self.alone and moved.keys() <= {self.alone.tensor}:
            weight, bias = self.alone.dense
            return self.alone.outputs(moved.get(self.alone.tensor, weight), bias)
        network = copy_of(self.network.dense)
        state = network.state_dict(keep_vars=True)
        with torch.no_grad():
            for name, weight in moved.items():
                state[name].copy_(torch.from_numpy(weight))
        return self.network.outputs_of(network, label)
