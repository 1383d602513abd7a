"""What a network computes on images: logits, and from them losses, classes and margins."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from apcli.errors import ApcliError
from apcli.probes.undisturbed import Batches, logits_of, undisturbed


@dataclass(frozen=True)
class Outputs:
    """What a network computes on the images, in their order.

    Attributes:
        logits: float64 [N, C].
        labels: int64 [N].
    """

    logits: np.ndarray
    labels: np.ndarray

    @cached_property
    def losses(self) -> np.ndarray:
        """Cross-entropy of each image, nats: float64 [N]."""
        shifted = self.logits - self.logits.max(axis=1, keepdims=True)
        of_label = np.take_along_axis(shifted, self.labels[:, None], axis=1)[:, 0]
        losses: np.ndarray = np.log(np.exp(shifted).sum(axis=1)) - of_label
        return losses

    @property
    def loss(self) -> float:
        """Mean cross-entropy, nats."""
        return float(self.losses.mean())

    @property
    def correct(self) -> int:
        """Number of images whose largest logit is the label's."""
        return int(np.count_nonzero(self.logits.argmax(axis=1) == self.labels))

    @property
    def accuracy(self) -> float:
        """Share of images whose largest logit is the label's, in [0, 1]."""
        return self.correct / len(self.labels)

    @property
    def margins(self) -> np.ndarray:
        """Logit of the label minus the largest other one: float64 [N]."""
        others = self.logits.copy()
        np.put_along_axis(others, self.labels[:, None], -np.inf, axis=1)
        own = np.take_along_axis(self.logits, self.labels[:, None], axis=1)[:, 0]
        margins: np.ndarray = own - others.max(axis=1)
        return margins


def outputs_of(network: nn.Module, batches: Batches, label: str) -> Outputs:
    """Run a network on images; ``label`` names it in messages.

    Raises:
        ApcliError: a logit is NaN or Inf, or the output is not logits.
    """
    logits, labels = [], []
    with undisturbed(network), torch.inference_mode():
        for images, targets in batches():
            logits.append(logits_of(network(images)).double().cpu().numpy())
            labels.append(targets.cpu().numpy())
    found = Outputs(np.concatenate(logits), np.concatenate(labels))
    if not np.isfinite(found.logits).all():
        raise ApcliError(f"{label}: its network gives NaN or Inf for some images: expected finite logits")
    return found
