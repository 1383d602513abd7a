"""Losses against their formulas written out in NumPy, and what mixing makes of a batch."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from apcli.training.optim.losses import loss_of, mixing_of

DRAW = np.random.default_rng(0)
LOGITS, TEACHER, LABELS = DRAW.normal(size=(5, 4)), DRAW.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])


def shares(labels: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    return (1 - smoothing) * np.eye(4)[labels] + smoothing / 4


def found(recipe, teacher: bool = False, targets: np.ndarray = LABELS) -> float:
    theirs = torch.from_numpy(TEACHER) if teacher else None
    return loss_of(torch.from_numpy(LOGITS), torch.from_numpy(targets), recipe, theirs).item()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_of_smoothed_labels(recipe, smoothing):
    expected = -(shares(LABELS, smoothing) * log_softmax(LOGITS, 1)).sum()
    assert found(recipe(label_smoothing=smoothing)) == pytest.approx(expected, rel=1e-6)
    soft = DRAW.dirichlet(np.ones(4), 5)
    mixed = -(((1 - smoothing) * soft + smoothing / 4) * log_softmax(LOGITS, 1)).sum()
    assert found(recipe(label_smoothing=smoothing), targets=soft.astype(np.float32)) == pytest.approx(mixed, rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation(recipe, share, temperature):
    ours, theirs = (log_softmax(logits / temperature, 1) for logits in (LOGITS, TEACHER))
    divergence = (np.exp(theirs) * (theirs - ours)).sum()
    plain = -(shares(LABELS) * log_softmax(LOGITS, 1)).sum()
    expected = (1 - share) * plain + share * temperature**2 * divergence
    how = recipe(teacher="dense", distill=share, temperature=temperature)
    assert found(how, teacher=True) == pytest.approx(expected, rel=1e-5)


def test_half_precision_logits_are_summed_in_single(recipe):
    """4,096 equal losses of log 4: a sum in bfloat16 would stop growing."""
    logits, labels = torch.zeros(4096, 4, dtype=torch.bfloat16), torch.zeros(4096, dtype=torch.int64)
    assert loss_of(logits, labels, recipe()).item() == pytest.approx(4096 * np.log(4), rel=1e-6)


def test_mixup_is_one_share_of_each_of_two_images(recipe):
    images = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 4, 4)
    mix = mixing_of(recipe(mixup=1.0), 8)
    torch.manual_seed(0)
    mixed, targets = mix(images, torch.arange(8))
    torch.testing.assert_close(targets.sum(1), torch.ones(8))
    torch.testing.assert_close(mixed[:, 0, 0, 0], targets @ torch.arange(8.0))
    assert (targets.max(1).values < 1).any()


def test_cutmix_pastes_whole_pixels(recipe):
    images = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 16, 16)
    mix = mixing_of(recipe(cutmix=1.0), 8)
    torch.manual_seed(3)
    mixed, targets = mix(images, torch.arange(8))
    for image, target in zip(mixed, targets, strict=True):
        area = torch.bincount(image.long().flatten(), minlength=8) / 256
        torch.testing.assert_close(area, target)


def test_both_take_turns_by_chance_and_none_is_none(recipe):
    images, labels = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 16, 16), torch.arange(8)
    mix = mixing_of(recipe(mixup=1.0, cutmix=1.0), 8)
    torch.manual_seed(0)
    pasted = sum(bool((mix(images, labels)[0] % 1 == 0).all()) for _ in range(200))
    assert 70 < pasted < 130
    torch.manual_seed(5)
    first = mix(images, labels)[0]
    torch.manual_seed(5)
    assert torch.equal(mix(images, labels)[0], first)
    assert mixing_of(recipe(), 8) is None
