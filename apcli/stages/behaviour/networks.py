"""The networks of a pair, and the images that both are run on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.configs.behaviour import BehaviourConfig
from apcli.data.batches import feed
from apcli.data.datasets import Dataset, Samples, evenly
from apcli.data.shifts import SEVERITIES, SHIFTS
from apcli.devices import device_of
from apcli.models.spec import ModelSpec
from apcli.networks import Networks, batches_of, running
from apcli.probes.batch_size import images_at_once
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

    def batches(self, split: Samples, spec: ModelSpec) -> Batches:
        """The images of a split, shifted, as the network takes them: always the same."""
        choice = Choice(SHIFTS.row(self.name), {"severity": self.severity})

        def draws() -> Iterator[torch.Generator]:
            return (torch.Generator().manual_seed(batch) for batch in count())

        chunks = torch.arange(len(split)).split(_DRAWN)
        return lambda: feed(split, chunks, spec.scaling, augment=(choice,), draws=draws())


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
    places: torch.Tensor
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
        spec, dataset = self._networks.spec_and_data(pruned if pruned.lineage.model else dense)
        images = Images.of(dataset, self.config)
        key = (dense.sha256, spec, images.names, *images.evaluated.values())
        if self._dense is None or self._dense[0] != key:
            self._dense = (key, self._seen(dense, spec, images))
        return images, self._dense[1], self._seen(pruned, spec, images)

    def features(self, dense: Checkpoint, pruned: Checkpoint, tensors: Sequence[str]) -> Features:
        """What the layers of these weights compute in both networks, on ``feature_images`` of the images.

        Raises:
            UsageError: there are fewer than 4 images.
        """
        spec, dataset = self._networks.spec_and_data(pruned if pruned.lineage.model else dense)
        split = evenly(Images.of(dataset, self.config).split, self.config.feature_images)
        self.tell(f"comparing the layers of {pruned.label}")
        before, after = (self._networks.network(spec, checkpoint).eval() for checkpoint in (dense, pruned))
        with running(pruned.label, spec):
            return features(before, after, tensors, lambda size: batches_of(split, spec, size), len(split))

    def _seen(self, checkpoint: Checkpoint, spec: ModelSpec, images: Images) -> SeenByShift:
        self.tell(f"running {checkpoint.label}")
        forward = Forward(self._networks.network(spec, checkpoint).eval(), spec)
        with running(checkpoint.label, spec):
            size = images_at_once(forward, spec.input_size, forward.device, self.config.batch_size)
            fitting, measuring = (batches_of(part, spec, size) for part in images.parts)
            if images.fitted:
                values, labels = logits(forward, fitting)
                best = temperature(values.cpu().numpy(), labels.cpu().numpy())
                measured, scaled = outcomes(forward, measuring, (1.0, best))
                as_they_are = Seen(joined([of_logits(values, labels), measured]), measured, scaled, best)
            else:
                (measured,) = outcomes(forward, measuring)
                as_they_are = Seen(measured, measured, None, None)
            found: dict[Shift | None, Seen] = {None: as_they_are}
            for shift in self.shifts:
                self.tell(f"running {checkpoint.label}: {shift.name}, severity {shift.severity}")
                found[shift] = _shifted(forward, shift, images, spec, as_they_are.temperature)
        return found


def _shifted(forward: Forward, shift: Shift, images: Images, spec: ModelSpec, best: float | None) -> Seen:
    """What a network makes of shifted images, with the temperature that was fitted on unshifted ones."""
    fitting, measuring = (shift.batches(part, spec) for part in images.parts)
    if best is None:
        (measured,) = outcomes(forward, measuring)
        return Seen(measured, measured, None, None)
    measured, scaled = outcomes(forward, measuring, (1.0, best))
    return Seen(joined([*outcomes(forward, fitting), measured]), measured, scaled, best)
