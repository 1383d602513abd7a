"""The criterion that weighs a weight's magnitude by what it is multiplied with."""

import numpy as np
from torch import Tensor

from apcli.criteria.subject import Scores, Subject
from apcli.probes.activations import SquareSums, inputs


def wanda(subject: Subject) -> Scores:
    """Score |W_ij| ||X_j||_2, X_j all inputs that the weights of column j meet.

    For a convolution X_j are the entries of patches, over samples and positions; each group has its own. The norms are
    sums, not means: under a global scope a layer of many positions counts for more. One pass over the data, no
    gradients.

    Returns:
        float64 scores of the weights' shapes.

    Raises:
        UsageError: a tensor is no weight of a linear layer or a convolution that is called as a module.
        ApcliError: a layer's inputs hold NaN or Inf.

    Source: Sun et al. 2023, arXiv:2306.11695, equation (1); published for linear layers, ranked within each output.
    """
    found = inputs(subject.model, subject.tensors, subject.batches, SquareSums)
    return {name: _scores(subject.model.get_parameter(name), found[name]) for name in subject.tensors}


def _scores(weight: Tensor, sums: SquareSums) -> np.ndarray:
    rows = weight.detach().double().abs().reshape(sums.groups, -1, sums.columns)
    return (rows * sums.squares.sqrt().unsqueeze(1)).reshape(weight.shape).cpu().numpy()
