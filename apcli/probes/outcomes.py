"""What a network makes of single images: which class it predicts, and how sure it is of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from apcli.errors import ApcliError
from apcli.probes.undisturbed import Batches, logits_of

Run = Callable[[Tensor], object]  # images [B, ...] to a network's output
_FIVE = 5


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a network makes of images, one number for each, in their order.

    Attributes:
        labels: int64 [N], and ``predictions``, the largest logit's class.
        among_five: whether the label is among the five largest logits, bool [N]; None of fewer than five classes.
        margins: the label's logit - the largest other one, float64 [N], as the others.
        losses: cross-entropy, nats.
        briers: sum over the classes of (probability - 1 if it is the label)^2.
        confidences: probability of the predicted class.
        entropies: of the probabilities, nats.
    """

    labels: np.ndarray
    predictions: np.ndarray
    among_five: np.ndarray | None
    margins: np.ndarray
    losses: np.ndarray
    briers: np.ndarray
    confidences: np.ndarray
    entropies: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether the prediction is the label, bool [N]."""
        right: np.ndarray = self.predictions == self.labels
        return right

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * float(self.right.mean())


def logits(run: Run, batches: Batches) -> tuple[Tensor, Tensor]:
    """The logits, float64 [N, C], and the labels, int64 [N], of few enough images to hold them.

    Raises:
        ApcliError: as ``outcomes``.
    """
    found, labels = [], []
    with torch.inference_mode():
        for images, targets in batches():
            found.append(logits_of(run(images)).double())
            labels.append(targets)
    values = torch.cat(found)
    _check(values.isfinite().all(dim=1))
    return values, torch.cat(labels)


def outcomes(run: Run, batches: Batches, temperatures: Sequence[float] = (1.0,)) -> list[Outcomes]:
    """What a network makes of images, with its logits divided by each temperature; one pass, no logits are kept.

    Raises:
        ApcliError: the output is not logits of two or more classes, or some are NaN or Inf.
    """
    parts: list[list[Tensor]] = [[] for _ in temperatures]
    with torch.inference_mode():
        for images, labels in batches():
            values = logits_of(run(images)).double()
            for part, temperature in zip(parts, temperatures, strict=True):
                part.append(_numbers(values / temperature, labels))
    tables = [torch.cat(part).T for part in parts]
    _check(tables[0].isfinite().all(dim=0))
    return [_read(table.cpu().numpy()) for table in tables]


def of_logits(values: Tensor, labels: Tensor) -> Outcomes:
    """The same of logits [N, C] that are at hand."""
    return _read(_numbers(values, labels).T.cpu().numpy())


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """The images of all parts, one after another."""
    columns = [[getattr(part, field.name) for part in parts] for field in fields(Outcomes)]
    whole: list[Any] = [None if column[0] is None else np.concatenate(column) for column in columns]
    return Outcomes(*whole)


def _numbers(logits: Tensor, labels: Tensor) -> Tensor:
    """The numbers of each image, float64 [B, 8], in the order of the fields of ``Outcomes``."""
    logs = logits.log_softmax(dim=1)
    probabilities = logs.exp()
    place = labels[:, None]
    own, of_label = logits.gather(1, place)[:, 0], probabilities.gather(1, place)[:, 0]
    largest = logits.topk(min(_FIVE, logits.shape[1]), dim=1)
    others = torch.where(largest.indices[:, 0] == labels, largest.values[:, 1], largest.values[:, 0])
    five = (largest.indices == place).any(dim=1) if logits.shape[1] >= _FIVE else torch.full_like(own, -1)
    columns = (
        labels,
        largest.indices[:, 0],
        five,
        own - others,
        -logs.gather(1, place)[:, 0],
        probabilities.square().sum(dim=1) - 2 * of_label + 1,
        probabilities.amax(dim=1),
        -(probabilities * logs).sum(dim=1),
    )
    return torch.stack([column.double() for column in columns], dim=1)


def _read(table: np.ndarray) -> Outcomes:
    labels, predictions, five, *others = table
    known = None if len(five) and five[0] < 0 else five.astype(bool)
    return Outcomes(labels.astype(np.int64), predictions.astype(np.int64), known, *others)


def _check(finite: Tensor) -> None:
    wrong = int((~finite).sum())
    if wrong:
        raise ApcliError(
            f"the network gives NaN or Inf for {wrong} of {len(finite)} images: expected finite logits; check for huge "
            "weights, or for images that are not scaled as the network expects (--mean, --std)"
        )
