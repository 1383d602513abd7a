"""The network's own p(y | x; w): a latent distribution for Definition 2 that needs no covariance."""

import numpy as np
import torch
from torch import nn

from apcli.errors import ApcliError
from apcli.probes.undisturbed import Batches, logits_of, undisturbed
from apcli.theory.distributions.categorical import CategoricalPair


def log_probabilities(model: nn.Module, batches: Batches) -> np.ndarray:
    """log p(y | x) for every sample and class; float64 [N, C], in the batches' order.

    The logits are the network's, in its own precision; their softmax is in float64.

    Raises:
        ApcliError: the network's output is not logits of two or more classes, or some are NaN or Inf.
    """
    parts = []
    with undisturbed(model), torch.inference_mode():
        for images, _ in batches():
            logits = logits_of(model(images)).double()
            wrong = int((~logits.isfinite()).any(dim=1).sum())
            if wrong:
                raise ApcliError(
                    f"the network gives NaN or Inf for {wrong} of {len(logits)} images of a batch: expected finite "
                    "logits; check for huge weights, or for images that are not scaled as the network expects (--mean, "
                    "--std)"
                )
            parts.append(logits.log_softmax(dim=1).cpu().numpy())
    return np.concatenate(parts)


def predictive(dense: np.ndarray, pruned: np.ndarray) -> CategoricalPair:
    """The two networks' predictions for the same samples, from ``log_probabilities`` of each; [N, C].

    Raises:
        ValueError: they differ in samples or classes.

    Source: arXiv:2403.00155, Definition 2, with the predictive distribution as the latent distribution.
    """
    return CategoricalPair(dense, pruned)
