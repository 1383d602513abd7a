"""Masks held and grown, against a slow sort in Python."""

import math

import numpy as np
import pytest
import torch

from apcli.criteria.movement import movement
from apcli.training.masking import Masking, Ramp

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
    masking = Masking(weights, removed, [Ramp(("a", "b"), {1: zeros})])
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
    masking = Masking({"w": weight}, removed, [Ramp(("w",), {0: 1, 1: 2, 2: 2})])
    masking.before_step()
    assert removed["w"].tolist() == [False, True, False, False]
    masking.before_step()
    assert removed["w"].tolist() == [True, True, False, False]
    weight.fill_(5.0)
    masking.before_step()
    assert removed["w"].tolist() == [True, True, False, False]
    assert weight.tolist() == [0.0, 0.0, 5.0, 5.0]


def adam(scores: np.ndarray, gradient: np.ndarray, moments: list[np.ndarray], step: int) -> None:
    """One step of Adam with its published constants, in place (Kingma & Ba 2015, algorithm 1)."""
    moments[0] += 0.1 * (gradient - moments[0])
    moments[1] += 0.001 * (gradient**2 - moments[1])
    scores -= (moments[0] / (1 - 0.9**step)) / (np.sqrt(moments[1] / (1 - 0.999**step)) + 1e-8)


def test_scores_are_learnt_through_the_mask_and_pooled_over_the_tensors():
    """Against a loop in NumPy: values are kept at removal, scored on, and come back; zeros from before never do."""
    draw = np.random.default_rng(0)
    whole = {name: draw.standard_normal(shape) for name, shape in SHAPES.items()}
    first = {name: np.zeros(shape, bool) for name, shape in SHAPES.items()}
    first["a"][0] = True
    weights = {name: torch.from_numpy(np.where(first[name], 0, value)) for name, value in whole.items()}
    removed = {name: torch.from_numpy(mask.copy()) for name, mask in first.items()}
    scores = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    moments = {name: [np.zeros(shape), np.zeros(shape)] for name, shape in SHAPES.items()}
    wanted, masks, back = {3: 9, 5: 9, 8: 20, 11: 20}, {name: mask.copy() for name, mask in first.items()}, 0
    masking = Masking(weights, removed, [Ramp(("a", "b"), wanted)], movement)
    for step in range(14):
        masking.before_step()
        if step in wanted:
            flat = np.concatenate([np.where(first[n], -np.inf, scores[n]).ravel() for n in SHAPES])
            gone = np.zeros(flat.size, bool)
            gone[np.argsort(flat, kind="stable")[: wanted[step]]] = True
            parts = np.split(gone, [masks["a"].size])
            new = {n: part.reshape(SHAPES[n]) for n, part in zip(SHAPES, parts, strict=True)}
            back += sum(int((masks[n] & ~new[n]).sum()) for n in SHAPES)
            masks = new
        for name, weight in weights.items():
            assert np.array_equal(removed[name], masks[name]), step
            assert np.array_equal(weight, np.where(masks[name], 0, whole[name])), step
            assert not weight[removed[name]].signbit().any()
            gradient = draw.standard_normal(SHAPES[name])
            adam(scores[name], gradient * np.where(first[name], 0, whole[name]), moments[name], step + 1)
            whole[name] -= np.where(masks[name], 0, 0.5 * gradient)
            weight.grad = torch.from_numpy(gradient.copy())
        masking.after_gradients()
        for weight in weights.values():
            weight.sub_(weight.grad, alpha=0.5)
        masking.hold()
    assert back > 0


def test_scores_of_half_precision_are_float32():
    """In bfloat16, the moments of Adam would stop at the first few hundred steps."""
    weight = torch.ones(2, dtype=torch.bfloat16)
    mask = torch.zeros(2, dtype=torch.bool)
    masking = Masking({"w": weight}, {"w": mask}, [Ramp(("w",), {600: 1})], movement)
    for step in range(601):
        masking.before_step()
        weight.grad = torch.tensor([-1.0 if step < 300 else -1.01, -1.0], dtype=torch.bfloat16)
        masking.after_gradients()
    assert mask.tolist() == [False, True]  # a tie would take the first


def test_a_tensor_without_a_gradient_learns_nothing():
    weight, mask = torch.ones(4, requires_grad=True), torch.zeros(4, dtype=torch.bool)
    masking = Masking({"w": weight}, {"w": mask}, [Ramp(("w",), {0: 2})], movement)
    masking.after_gradients()
    masking.before_step()
    assert mask.tolist() == [True, True, False, False]


@pytest.mark.parametrize("learn", [None, movement])
def test_gradients_of_removed_weights_are_gone_before_the_step_and_all_others_as_they_were(learn):
    """Whatever then couples weights, a norm or a trust ratio, sees only what is trained; masks may have just grown."""
    weights = {name: torch.randn(shape, requires_grad=True) for name, shape in SHAPES.items()}
    removed = {name: torch.arange(weight.numel()).view_as(weight) % 3 == 0 for name, weight in weights.items()}
    masking = Masking(weights, removed, [Ramp(("b",), {0: 15})], learn)
    masking.before_step()
    assert removed["b"].sum() == 15
    given = {name: torch.randn_like(weight) for name, weight in weights.items()}
    given["a"][removed["a"]] = math.nan
    for name, weight in weights.items():
        weight.grad = given[name].clone()
    masking.after_gradients()
    for name, weight in weights.items():
        assert torch.equal(weight.grad, torch.where(removed[name], 0.0, given[name]))
