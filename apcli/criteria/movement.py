"""Movement: which weights training drives towards zero."""

from torch import Tensor


def movement(weights: Tensor, gradient: Tensor) -> Tensor:
    """The loss's gradient with respect to the scores: w dL/dw, element by element, in the weights' shape.

    Scores descend it while the weights descend theirs, so what a step moves away from zero gains, and what it moves
    towards zero loses, whatever its magnitude. For removed weights, ``weights`` holds the values that they had, and
    ``gradient`` is what reaches their place: a mask's gradient goes straight through to its scores.

    Source: hard movement pruning, Sanh et al. 2020, arXiv:2005.07683, section 4.
    """
    return weights * gradient
