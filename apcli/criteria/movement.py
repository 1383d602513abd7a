"""Movement pruning: scores of the weights that training drives towards zero."""

from torch import Tensor


def movement(weights: Tensor, gradient: Tensor) -> Tensor:
    """The loss's gradient with respect to the scores: w dL/dw, element by element, in the weights' shape.

    Scores descend it while the weights descend their own gradient: a weight that a step moves away from zero gains, and
    one that it moves towards zero loses, whatever its magnitude. For removed weights, ``weights`` holds their values at
    removal, and ``gradient`` is the one at their position (straight-through: the mask passes it on to the scores).

    Source: hard movement pruning, Sanh et al. 2020, arXiv:2005.07683, section 4.
    """
    return weights * gradient
