"""Movement scores against sums in double precision."""

import numpy as np
import torch

from apcli.criteria.movement import movement


def test_scores_are_what_gradient_descent_moves_the_weights_by_times_the_weights():
    draw = np.random.default_rng(0)
    scores, expected = torch.zeros(3, 4), np.zeros((3, 4))
    for lr in (0.1, 0.1, 0.03):
        weight, gradient = draw.standard_normal((2, 3, 4))
        before = torch.tensor(weight), torch.tensor(gradient)
        movement(scores, before[0].float(), before[1].float(), lr)
        expected += weight * ((weight - lr * gradient) - weight)
        assert np.array_equal(before[0], weight)
        assert np.array_equal(before[1], gradient)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_away_from_zero_gains_and_towards_zero_loses_whatever_the_magnitude():
    weight, gradient = torch.tensor([5.0, -5.0, 0.1, 0.0]), torch.tensor([1.0, -1.0, -1.0, 9.0])
    scores = torch.zeros(4)
    movement(scores, weight, gradient, 1.0)
    assert scores.argsort().tolist() == [0, 1, 3, 2]
    assert scores[3] == 0
