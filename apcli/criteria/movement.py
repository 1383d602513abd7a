"""Movement: which weights training drives towards zero."""

from torch import Tensor


def movement(scores: Tensor, weight: Tensor, gradient: Tensor, lr: float) -> None:
    """Add -lr w dL/dw of one step of training to the scores, in place; all three tensors have one shape.

    What a step of gradient descent moves away from zero gains, and what it moves towards zero loses, whatever its
    magnitude. The gradient is the loss's alone: decay and momentum belong to the optimiser. From scores of zero, the
    sum over the steps is the score that straight-through estimation gives to hard movement pruning, with two
    differences: the scores have no learning rate of their own, and removed weights do not come back. (The paper keeps
    their values and goes on scoring them; here a removed weight is zero, so its score moves no more.)

    Args:
        scores: float32 or wider, on the weight's device.

    Source: Sanh et al. 2020, arXiv:2005.07683, section 4.
    """
    scores.addcmul_(gradient, weight, value=-lr)
