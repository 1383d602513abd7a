"""Find out the limit to which a network can be pruned by some method."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.errors import UsageError
from apcli.models.copies import copy_of
from apcli.probes.outputs import Outputs
from apcli.stages.limits.kinds import Subject
from apcli.stages.prune.measured.images import OnImages
from apcli.stages.prune.requests import Limit, Request, by_accuracy
from apcli.theory.limit.epsilon import allowed

log = logging.getLogger("apcli")

# By the removed share of the weights: the layers' tensors without them, by name; None if they cannot lose so many.
Masked = Callable[[float], Mapping[str, Entry] | None]


def limited(images: OnImages, layers: Sequence[Layer], request: Request, masked: Masked) -> Request:
    """The request with the share of the weights that its limit removes.

    Args:
        masked: prunes by the request's method and scope.

    Raises:
        UsageError: the rule gives no eps on these losses, or the scope shares out nothing.
        ApcliError: the network gives NaN or Inf.
    """
    amount, label = request.amount, images.source.label
    assert isinstance(amount, Limit)
    tries = Tries(images, sum(layer.size for layer in layers), masked, held_out=by_accuracy(amount))
    subject = Subject(tries.weights, tries.within, partial(images.trained, layers), request.seed or 0, images.tell)
    kept: int = amount.rule(subject)
    counts = f"{kept:,} of {tries.weights:,} weights are kept"
    log.info("%s: %s: %s; %s", label, amount.rule.spec, counts, tries.cost_in_words(kept))
    return replace(request, amount=replace(amount, removed=tries.share(kept)))


class Tries:
    """What the network does with masks of any number of weights, the others as they are.

    Args:
        weights: how many the layers have.
        held_out: whether the images held out decide, by accuracy.
    """

    def __init__(self, images: OnImages, weights: int, masked: Masked, *, held_out: bool) -> None:
        self.weights = weights
        self._images, self._masked, self._held_out = images, masked, held_out
        self._network = copy_of(images.model)

    def share(self, kept: int) -> float:
        """The removed share of the weights."""
        return (self.weights - kept) / self.weights

    def within(self, rule: str) -> Callable[[int], bool]:
        """A function: whether the network is within the rule's eps with so many weights.

        Raises:
            UsageError: the rule gives no eps on the network's losses.
        """
        before = self._images.outputs(held_out=self._held_out)
        if self._held_out:
            most = float(rule.partition("-")[2]) * len(before.labels) / 100
            return lambda kept: (after := self.outputs(kept)) is not None and before.correct - after.correct <= most
        try:
            eps = allowed(rule, before.losses)
        except ValueError as error:
            raise UsageError(f"--sparsity limit:eps={rule}: {error}") from None
        return lambda kept: (after := self.outputs(kept)) is not None and after.loss - before.loss <= eps

    def outputs(self, kept: int) -> Outputs | None:
        """What the network computes with so many weights; None if the layers cannot lose the others.

        Raises:
            ApcliError: the network gives NaN or Inf.
        """
        masked = self._masked(self.share(kept))
        if masked is None:
            return None
        tensors = self._network.state_dict()
        for name, entry in masked.items():
            tensors[name].copy_(torch.as_tensor(entry.values))
        label = f"{self._images.source.label} with {kept:,} weights"
        return self._images.run(self._network, label, held_out=self._held_out)

    def cost_in_words(self, kept: int) -> str:
        """What the limit costs before anything is adjusted."""
        before, after = self._images.outputs(held_out=self._held_out), self.outputs(kept)
        assert after is not None
        images = f"on {len(before.labels):,} images"
        if self._held_out:
            return f"accuracy {100 * before.accuracy:.2f} to {100 * after.accuracy:.2f} % {images} held out"
        return f"loss {before.loss:.4g} to {after.loss:.4g} {images}"
