"""Masks held and grown, against a slow sort in Python."""

import math

import numpy as np
import pytest
import torch

from apcli.criteria.movement import movement
from apcli.operations.masking import Growth, Masking

SHAPES = {"a": (2, 4), "b": (5, 5)}


@pytest.mark.parametrize("value", [math.nan, math.inf, -3.0, -0.0, 1e-45])
def test_zero_is_plus_zero_whatever_was_there(value):
    weight, mask = torch.full((2, 3), value), torch.tensor([[True, False, True], [False, False, True]])
    others = weight[~mask].clone()
    Masking({"w": weight}, {"w": mask}).hold()
    assert weight[mask].tolist() == [0, 0, 0]
    assert not weight[mask].signbit().any()
    assert torch.equal(weight[~mask].view(torch.int32), others.view(torch.int32))


def slow(weights: dict[str, torch.Tensor], removed: dict[str, torch.Tensor], zeros: int) -> dict[str, list[bool]]:
    """The masks that hold the ``zeros`` lowest, by (not removed, magnitude, place), sorted as Python numbers."""
    places = [(name, index) for name, weight in weights.items() for index in range(weight.numel())]

    def rank(place: tuple[str, int]) -> tuple[bool, float]:
        name, index = place
        return not bool(removed[name].flatten()[index]), abs(weights[name].flatten()[index].item())

    lowest = set(sorted(places, key=rank)[:zeros])
    return {name: [(name, i) in lowest for i in range(weight.numel())] for name, weight in weights.items()}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("zeros", [7, 8, 20, 43, 44])
def test_the_lowest_go_and_the_removed_stay(dtype, zeros):
    """Few values, so many ties, with both zeros among them, over two tensors of different shapes."""
    draw = torch.Generator().manual_seed(zeros)
    values = torch.tensor([-0.0, 0.0, 0.5, -0.5, 1.0, -2.0, 6e-8], dtype=dtype)
    weights = {
        "a": values[torch.randint(0, 7, (4, 2, 3), generator=draw)],
        "b": values[torch.randint(0, 7, (5, 4), generator=draw)],
    }
    removed = {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    for mask in removed.values():
        mask.view(-1)[::7] = True
    before = {name: weight.clone() for name, weight in weights.items()}
    old = {name: mask.clone() for name, mask in removed.items()}
    expected = slow(before, old, zeros)
    masking = Masking(weights, removed, [Growth(("a", "b"), {1: zeros})])
    masking.before_step()
    assert all(torch.equal(mask, old[name]) for name, mask in removed.items())
    masking.before_step()
    assert {name: mask.flatten().tolist() for name, mask in removed.items()} == expected
    assert all(removed[name][mask].all() for name, mask in old.items())
    for name, weight in weights.items():
        assert not weight[removed[name]].any()
        assert not weight[removed[name]].signbit().any()
        assert torch.equal(weight[~removed[name]], before[name][~removed[name]])


def test_masks_only_grow_whatever_the_removed_weights_hold():
    weight = torch.tensor([0.1, 9.0, 0.2, 0.3])
    removed = {"w": torch.tensor([False, True, False, False])}
    masking = Masking({"w": weight}, removed, [Growth(("w",), {0: 1, 1: 2, 2: 2})])
    masking.before_step()
    assert removed["w"].tolist() == [False, True, False, False]
    masking.before_step()
    assert removed["w"].tolist() == [True, True, False, False]
    weight.fill_(5.0)
    masking.before_step()
    assert removed["w"].tolist() == [True, True, False, False]
    assert weight.tolist() == [0.0, 0.0, 5.0, 5.0]


def test_scores_are_learnt_from_the_gradients_and_pooled_over_the_tensors():
    """Against sums in NumPy; the removed stay first whatever their scores, and magnitudes play no part."""
    draw = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=draw, requires_grad=True) for name, shape in SHAPES.items()}
    removed = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in SHAPES.items()}
    removed["a"][0] = True
    masking = Masking(weights, removed, [Growth(("a", "b"), {2: 9, 3: 20})], movement)
    masking.hold()
    scores = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    old = {name: mask.clone() for name, mask in removed.items()}
    for zeros in (4, 4, 9, 20):
        masking.before_step()
        flat = np.concatenate([np.where(old[n], -np.inf, scores[n]).ravel() for n in SHAPES])
        kept = np.concatenate([~removed[n].numpy().ravel() for n in SHAPES])
        assert set(np.flatnonzero(~kept)) == set(np.argsort(flat, kind="stable")[:zeros])
        old = {name: mask.clone() for name, mask in removed.items()}
        for name, weight in weights.items():
            weight.grad = torch.randn(weight.shape, generator=draw)
            scores[name] -= 0.5 * weight.grad.double().numpy() * weight.detach().double().numpy()
        masking.after_gradients(0.5)
        masking.hold()


def test_a_tensor_without_a_gradient_learns_nothing():
    weight, mask = torch.ones(4, requires_grad=True), torch.zeros(4, dtype=torch.bool)
    masking = Masking({"w": weight}, {"w": mask}, [Growth(("w",), {0: 2})], movement)
    masking.after_gradients(0.1)
    masking.before_step()
    assert mask.tolist() == [True, True, False, False]
