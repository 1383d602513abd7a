"""What allocations are told about a network: its multiply-adds, and what its layers make on images."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from apcli.allocations.units import Grams
from apcli.channels.groups import ChannelGroup
from apcli.checkpoints.layers import Layer
from apcli.errors import ApcliError, UsageError, first_line
from apcli.models.copies import emptied
from apcli.models.spec import ModelSpec
from apcli.probes.activations import modules_of
from apcli.probes.costs import Costs, macs
from apcli.probes.representations import Tap, grams
from apcli.probes.undisturbed import Batches
from apcli.progress import Tell


class Measurements:
    """Measures one checkpoint's network, each thing once.

    Args:
        label: of its file, for messages.
        model: with the checkpoint's weights; an outline will do for its multiply-adds.
        batches: gives the images on which layers are looked at.
    """

    def __init__(
        self, label: str, model: nn.Module, spec: ModelSpec, batches: Callable[[], Batches], tell: Tell
    ) -> None:
        self.label, self.model, self.spec, self.batches, self.tell = label, model, spec, batches, tell
        self._multiply_adds: Costs | None = None
        self._grams: dict[str, tuple[np.ndarray, ...]] = {}
        self._about: Grams | None = None

    def multiply_adds(self) -> Costs:
        """The network's multiply-adds, by its structure alone.

        Raises:
            UsageError: they cannot be counted.
        """
        if self._multiply_adds is None:
            outline = emptied(self.model, "meta").to("meta")
            try:
                self._multiply_adds = macs(outline, torch.empty(1, *self.spec.input_size, device="meta"))
            except (MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:  # another's code may raise anything
                reason = first_line(error)
                raise UsageError(
                    f"{self.label}: its multiply-adds cannot be counted by its structure ({reason}): give "
                    "--budget params=S"
                ) from error
        return self._multiply_adds

    def of_groups(self, groups: Sequence[ChannelGroup]) -> Grams:
        """What the layers that read each group's channels are given: after norms, activations and sums.

        Where no plain layer reads them (a grouped convolution does, or attention's own code), what makes them makes.

        Raises:
            UsageError: a group is made and read by no plain layer, or one is not called.
        """
        taps = {}
        for group in groups:
            read = [Tap(part.tensor, part.positions.ravel()) for part in group.consumers if self._is_plain(part.tensor)]
            made = [
                Tap(x.tensor, x.positions.ravel(), output=True) for x in group.producers if self._is_plain(x.tensor)
            ]
            if not read and not made:
                raise UsageError(
                    f"{self.label}: what reads the channels of {group.name} is no plain layer, and its features are "
                    f"not known: leave it out with --exclude {group.name}, or choose another --scope"
                )
            taps[group.name] = read or made
        return self._measured(taps)

    def _is_plain(self, tensor: str) -> bool:
        """Whether a tensor is the weight of a linear layer, or of a convolution without groups."""
        modules, _ = modules_of(self.model, [tensor])
        return tensor in modules and getattr(modules[tensor], "groups", 1) == 1

    def of_layers(self, layers: Sequence[Layer]) -> Grams:
        """What each layer makes, before what follows it: a file alone does not say who reads it."""
        return self._measured({layer.name: [Tap(layer.tensor, output=True)] for layer in layers})

    def _measured(self, taps: dict[str, list[Tap]]) -> Grams:
        missing = {name: own for name, own in taps.items() if name not in self._grams}
        if missing or self._about is None:
            self.tell(f"activations of {self.label}")
            try:
                self._about = grams(self.model, missing, self.batches())
            except ApcliError as error:
                raise type(error)(f"{self.label}: {error}") from None
            self._grams |= {name: tuple(parts) for name, parts in self._about.features.items()}
        features = {name: self._grams[name] for name in taps}
        return Grams(features, self._about.images, self._about.labels)
