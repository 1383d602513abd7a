"""The networks of a pair, and the images that both are run on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.configs.behaviour import BehaviourConfig
from apcli.data.batches import feed
from apcli.data.datasets import Dataset, Samples, evenly
from apcli.data.shifts import SEVERITIES, SHIFTS
from apcli.devices import device_of
from apcli.models.spec import ModelSpec
from apcli.networks import Networks, batches_of, running
from apcli.probes.batch_size import halved_if_needed, images_at_once
from apcli.probes.features import Features, features
from apcli.probes.outcomes import Outcomes, joined, logits, of_logits, outcomes
from apcli.probes.undisturbed import Batches
from apcli.progress import Tell
from apcli.registry.tables import Choice
from apcli.theory.statistics.calibration import temperature
from apcli.training.forward import Forward

_DRAWN = 128  # images that share a generator; how many run at a time must not change what is drawn
MOST_FITTED = 5000  # images whose logits are held for a temperature


@dataclass(frozen=True)
class Shift:
    """One row of ``SHIFTS``, in one severity."""

    name: str
    severity: int

    def batches(self, split: Samples, spec: ModelSpec, size: int = _DRAWN) -> Batches:
        """The images of a split, shifted, as the network takes them, at most ``size`` at a time: always the same."""
        choice = Choice(SHIFTS.row(self.name), {"severity": self.severity})

        def draws() -> Iterator[torch.Generator]:
            return (torch.Generator().manual_seed(batch) for batch in count())

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            chunks = torch.arange(len(split)).split(_DRAWN)
            for images, labels in feed(split, chunks, spec.scaling, augment=(choice,), draws=draws()):
                yield from zip(images.split(size), labels.split(size), strict=True)

        return batches


def shifts_of(listed: str | None) -> tuple[Shift, ...]:
    """The shifts of ``--shift``, each with each of its severities, once.

    Raises:
        UsageError: a shift is unknown, or a severity is out of range.
    """
    choices = SHIFTS.parse_list(listed) if listed is not None else []
    each = (Shift(c.name, s) for c in choices for s in SEVERITIES.numbers(str(c.parameters["severity"])))
    return tuple(dict.fromkeys(each))


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a split that networks are run on, and those of them that a temperature is fitted on.

    Attributes:
        evaluated: data, split and number of images, as described in records.
        split: all of the images.
        places: the images in the order in which networks see them, as places in ``split``: int64 [N].
        fitted: how many of them, from the first on, a temperature is fitted on.
        names: of the classes; empty: not known.
    """

    evaluated: Mapping[str, Any]
    split: Samples
    places: Tensor
    fitted: int
    names: tuple[str, ...]

    @property
    def parts(self) -> tuple[Samples, Samples]:
        """Those that a temperature is fitted on, and the others."""
        return self.split.subset(self.places[: self.fitted]), self.split.subset(self.places[self.fitted :])

    @classmethod
    def of(cls, dataset: Dataset, config: BehaviourConfig) -> "Images":
        """The images that the config asks for."""
        split = evenly(getattr(dataset, config.split), config.images)
        evaluated = {"data": dataset.name, "split": config.split, "images": len(split)}
        fitted = min(MOST_FITTED, round(config.validation * len(split)))
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))
        places = torch.cat([part.sort().values for part in (order[:fitted], order[fitted:])])
        return cls(evaluated, split, places, fitted, dataset.names)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network makes of ``Images``.

    Attributes:
        all: of all of them, in the order of ``places``.
        measured: of those that no temperature was fitted on; ``scaled`` with the logits divided by ``temperature``.
        temperature: None if none was fitted.
    """

    all: Outcomes
    measured: Outcomes
    scaled: Outcomes | None
    temperature: float | None


SeenByShift = Mapping[Shift | None, Seen]  # None: the images as they are


class Runs:
    """Runs the networks of a stream of pairs; a dense one once for all its pruned ones."""

    def __init__(self, config: BehaviourConfig, tell: Tell) -> None:
        self.config, self.tell = config, tell
        self._networks = Networks(config.data, config.model, device_of(config.device), tell, config.inputs)
        self.shifts = shifts_of(config.shift)
        self._dense: tuple[tuple[Any, ...], SeenByShift] | None = None

    def both(self, dense: Checkpoint, pruned: Checkpoint) -> tuple[Images, SeenByShift, SeenByShift]:
        """The images, and what the two networks make of them, by shift.

        Raises:
            UsageError: the network or the data is unknown.
            ApcliError: a network fails, or its logits are NaN or Inf.
        """
        spec, images = self._subject(dense, pruned)
        key = (dense.sha256, spec, images.names, *images.evaluated.values())
        if self._dense is None or self._dense[0] != key:
            self._dense = (key, self._seen(dense, spec, images))
        return images, self._dense[1], self._seen(pruned, spec, images)

    def features(self, dense: Checkpoint, pruned: Checkpoint, tensors: Sequence[str]) -> Features:
        """What the layers of these weights compute in both networks, on ``feature_images`` of the images.

        Raises:
            UsageError: there are fewer than 4 images.
        """
        spec, images = self._subject(dense, pruned)
        split = evenly(images.split, self.config.feature_images)
        self.tell(f"comparing the layers of {pruned.label}")
        before, after = (self._networks.network(spec, checkpoint).eval() for checkpoint in (dense, pruned))
        with running(pruned.label, spec):
            return features(before, after, tensors, lambda size: batches_of(split, spec, size), len(split))

    def _subject(self, dense: Checkpoint, pruned: Checkpoint) -> tuple[ModelSpec, Images]:
        """The network of a pair, and the images."""
        spec, dataset = self._networks.of_pair(dense, pruned)
        return spec, Images.of(dataset, self.config)

    def _seen(self, checkpoint: Checkpoint, spec: ModelSpec, images: Images) -> SeenByShift:
        self.tell(f"running {checkpoint.label}")
        forward = Forward(self._networks.network(spec, checkpoint).eval(), spec)
        found: dict[Shift | None, Seen] = {}
        with running(checkpoint.label, spec):
            size = images_at_once(forward, spec.input_size, forward.device, self.config.batch_size)
            found[None] = halved_if_needed(partial(_measured, forward, images), size)
            for shift in self.shifts:
                self.tell(f"running {checkpoint.label}: {shift.name}, severity {shift.severity}")
                measured = partial(_measured, forward, images, shift=shift, best=found[None].temperature)
                found[shift] = halved_if_needed(measured, _DRAWN)
        return found


def _measured(
    forward: Forward, images: Images, size: int, shift: Shift | None = None, best: float | None = None
) -> Seen:
    """What a network makes of the images, shifted or as they are, ``size`` at a time.

    Args:
        best: a temperature; by default one is fitted, if there are images to fit it on.
    """
    spec = forward.spec
    fitting, measuring = (
        shift.batches(part, spec, size) if shift else batches_of(part, spec, size) for part in images.parts
    )
    if not images.fitted:
        (measured,) = outcomes(forward, measuring)
        return Seen(measured, measured, None, None)
    if best is None:
        values, labels = logits(forward, fitting)
        best, fitted = temperature(values.cpu().numpy(), labels.cpu().numpy()), of_logits(values, labels)
    else:
        (fitted,) = outcomes(forward, fitting)
    measured, scaled = outcomes(forward, measuring, (1.0, best))
    return Seen(joined([fitted, measured]), measured, scaled, best)
