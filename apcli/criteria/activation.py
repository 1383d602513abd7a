"""Magnitudes weighted by the norms of the inputs that they multiply."""

import numpy as np
from torch import Tensor

from apcli.criteria.subject import Scores, Subject
from apcli.probes.activations import SquareSums, inputs


def wanda(subject: Subject) -> Scores:
    """Score |W_ij| ||X_j||_2, with X_j all inputs that the weights of column j multiply.

    For a convolution, X_j are the entries of patches, over samples and positions, separately for each group. The norms
    are sums, not means, so under a global scope a layer with many positions counts for more. This takes one pass over
    the data and no gradients.

    Returns:
        float64 scores in the weights' shapes.

    Raises:
        UsageError: a tensor is not the weight of a linear layer or convolution that is called as a module.
        ApcliError: a layer's inputs hold NaN or Inf.

    Source: Sun et al. 2023, arXiv:2306.11695, equation (1); published for linear layers, ranked within each output.
    """
    sums = inputs(subject.model, subject.tensors, subject.batches, SquareSums)
    return {name: _scores(subject.model.get_parameter(name), sums[name]) for name in subject.tensors}


def _scores(weight: Tensor, sums: SquareSums) -> np.ndarray:
    rows = weight.detach().double().abs().reshape(sums.groups, -1, sums.columns)
    return (rows * sums.squares.sqrt().unsqueeze(1)).reshape(weight.shape).cpu().numpy()
