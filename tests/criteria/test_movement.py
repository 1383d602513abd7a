"""Movement's gradient against the one that autograd takes through a mask."""

import torch

from apcli.criteria.movement import movement


def test_it_is_the_gradient_that_autograd_gives_to_a_mask_of_ones_and_zeros():
    """The loss as a function of a real-valued mask: its derivative at the mask is what goes straight through."""
    draw = torch.Generator().manual_seed(0)
    weights, inputs = torch.randn(3, 4, generator=draw).double(), torch.randn(7, 4, generator=draw).double()
    mask = torch.tensor([[1.0, 0, 1, 1], [0, 0, 1, 0], [1, 1, 1, 1]]).double().requires_grad_()
    masked = (weights * mask).detach().requires_grad_()
    for matrix in (weights * mask, masked):
        (inputs @ matrix.T).tanh().square().sum().backward()
    torch.testing.assert_close(movement(weights, masked.grad), mask.grad, rtol=1e-14, atol=0)


def test_away_from_zero_descends_and_towards_zero_ascends_whatever_the_magnitude():
    weights, gradient = torch.tensor([5.0, -5.0, 0.1, 0.0]), torch.tensor([1.0, -1.0, -1.0, 9.0])
    found = movement(weights, gradient)
    assert (-found).argsort(stable=True).tolist() == [0, 1, 3, 2]
    assert found[3] == 0
