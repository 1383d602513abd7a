"""Criteria from the curvature's diagonal: the loss's second-order change when one weight becomes zero."""

import torch

from apcli.criteria.saliency import in_full_precision, parameters_of, scores_of
from apcli.criteria.subject import Scores, Subject
from apcli.probes import curvature


def obd(subject: Subject) -> Scores:
    """Score h w^2 / 2, with h the diagonal of the Gauss-Newton matrix of the mean cross-entropy.

    This matrix is the Fisher information over the network's own labels, and the positive semi-definite part of the
    Hessian; the paper's backward recursion for the second derivatives also drops the other part. Labels are not used.

    Returns:
        float64 scores of the weights' shapes.

    Raises:
        UsageError: a tensor is no parameter of the network.
        ApcliError: a derivative or a score is NaN or Inf.

    Source: LeCun, Denker & Solla 1989, Optimal Brain Damage, equation (5).
    """
    return _half_squares("obd", subject, "model")


def fisher(subject: Subject) -> Scores:
    """Score f w^2 / 2, with f the mean squared gradient of single images' cross-entropy (empirical Fisher).

    It approaches 0 as the network fits its labels; ``taylor`` squares the gradients of batches instead.

    Returns:
        float64 scores of the weights' shapes.

    Raises:
        UsageError: a tensor is no parameter of the network.
        ApcliError: a derivative or a score is NaN or Inf.

    Source: Theis et al. 2018, arXiv:1801.05787, equation (6), for single weights.
    """
    return _half_squares("fisher", subject, "data")


def _half_squares(method: str, subject: Subject, labels: str) -> Scores:
    subject = in_full_precision(subject)
    names = list(dict.fromkeys(parameters_of(subject).values()))
    diagonal = curvature.fisher(subject.model, names, subject.batches, labels=labels, damping=0).diagonal
    weights = {name: subject.model.get_parameter(name).detach().double().cpu() for name in names}
    return scores_of(method, subject, {n: torch.from_numpy(diagonal[n]) * w.square() / 2 for n, w in weights.items()})
