"""Movement: which weights training drives towards zero."""

from torch import Tensor


def movement(scores: Tensor, weight: Tensor, gradient: Tensor, lr: float) -> None:
    """Add -lr w dL/dw of one step of training to the scores, in place; all three tensors have one shape.

    What a step of gradient descent moves away from zero gains, and what it moves towards zero loses, whatever its
    magnitude. The gradient is the loss's alone: decay and momentum belong to the optimiser. This is the score that
    straight-through estimation gives (Sanh et al. 2020, arXiv:2005.07683, section 4), but that a weight removed here
    stays so: it is zero, and its score moves no more.
    """
    scores.addcmul_(gradient, weight, value=-lr)
