"""Theorem A of a pair: what is measured is within it, and the images' own version is sharper."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from described_networks import bounded, pruned_at_random, settled
from measured_pairs import by_statement, measured, measured_on
from prunings import run
from short_trainings import quiet
from torch import nn

from apcli.probes.traced.operations import Refusal
from apcli.stages.bounds.probabilistic.given_mask import (
    ROUNDING,
    ball_constants,
    changed_layers,
    finite,
    on_the_images,
    statements,
)
from apcli.stages.bounds.probabilistic.subject import ball_of, described, subject


@pytest.mark.parametrize("options", [{"method": "highest"}, {"method": "random"}, {"scope": "global"}, {}])
def test_the_masks_of_all_methods_are_within_it(dense, tmp_path, settings, options):
    for sparsity in (0.02, 0.6):
        (path,) = run(dense, sparsity, folder=tmp_path / f"{sparsity}", **options)
        pair = measured(dense, path, images=40)
        bounds = by_statement(statements(subject(pair, settings, ball_of(pair.on_data, 0.0))))
        whole, product, here = (
            bounds[name] for name in ("theorem A", "theorem A, product form", "theorem A on the images")
        )
        assert 0 < here.measured <= here.value <= whole.value <= product.value * (1 + 1e-12)
        assert all(bound.holds for bound in bounds.values())
        assert whole.measured == here.measured, "all images are inside"
        assert (whole.verdict == "vacuous") == (whole.value >= whole.trivial)
        longest = np.linalg.norm(pair.on_data.dense_outputs.logits, axis=1).max()
        assert here.trivial == pytest.approx(longest, rel=1e-5)


def test_convolutions_and_batch_norms(tmp_path, settings):
    """What a kernel loses is measured on the images with the batch norm's factors, which may differ as well."""
    images = torch.randn(30, 3, 8, 8)
    dense = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, stride=2, groups=2)),
        *(nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4)),
    )
    networks = [settled(dense, images[:1]), pruned_at_random(dense, 0.1)]
    pair = measured_on(tmp_path, networks, images, torch.zeros(30, dtype=torch.int64))
    found = subject(pair, settings, ball_of(pair.on_data, 0.0))
    bounds = by_statement(statements(found))
    whole, here = bounds["theorem A"], bounds["theorem A on the images"]
    assert 0 < here.measured <= here.value < whole.value
    layers = changed_layers(found.description, pair.on_data.pruned, quiet)
    assert [one.layer for one in layers] == ["0", "3", "8"]
    with torch.no_grad():
        seen = networks[0][:3](images).double()
    (one,) = (one for one in layers if one.layer == "3")
    kernels = [torch.from_numpy(one.of(network).kernel) for network in networks]
    outputs = F.conv2d(seen, kernels[0] - kernels[1], stride=2, groups=2)
    images = on_the_images(pair.on_data, found.description, layers)
    assert images.reach[one] == pytest.approx(float(outputs.flatten(1).norm(dim=1).max()), rel=1e-5)
    assert images.longest == pytest.approx(np.linalg.norm(pair.on_data.dense_outputs.logits, axis=1).max(), rel=1e-5)
    assert images.apart.max() == here.measured


def test_one_pruned_last_layer_by_hand(dense, tmp_path, settings):
    """On the images the bound is the largest |E h| of the layer, and is reached."""
    (path,) = run(dense, 0.5, layers="fc5", folder=tmp_path)
    pair = measured(dense, path, images=30)
    bounds = by_statement(statements(subject(pair, settings, ball_of(pair.on_data, 0.0))))
    here = bounds["theorem A on the images"]
    assert here.value - ROUNDING * here.trivial == pytest.approx(here.measured, rel=1e-11)
    assert here.verdict == "holds"
    ball = {one.name: one.value for one in bounds["theorem A"].constants}
    longest = max(float(image.double().norm()) for images, _ in pair.on_data.batches() for image in images)
    assert ball["B"] == pytest.approx(longest, rel=1e-12)
    assert ball["largest |F| on the images inside"] == bounds["theorem A"].trivial


@pytest.mark.parametrize("share", [0.3, 1e-7])
def test_a_bound_that_is_reached_is_not_broken_by_rounding(tmp_path, settings, share):
    """Where the last layer alone differs, by much or by its last digits, the bound is the measured difference."""
    images, labels = torch.randn(30, 1, 8, 8), torch.zeros(30, dtype=torch.int64)
    for seed in range(10):
        torch.manual_seed(seed)
        dense = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).eval()
        pruned = copy.deepcopy(dense)
        with torch.no_grad():
            pruned[3].weight[: 10 if share > 0.1 else 1, : int(32 * share) or 1] *= 1 - min(1, 3 * share)
        pair = measured_on(tmp_path, [dense, pruned], images, labels)
        here = by_statement(statements(subject(pair, settings, ball_of(pair.on_data, 0.0))))["theorem A on the images"]
        assert 0 < here.measured <= here.value, seed
        assert here.verdict == "holds"


def test_a_given_ball_leaves_longer_images_out(dense, pruned, settings):
    pair = measured(dense, pruned, images=30)
    lengths = torch.cat([images.flatten(1).norm(dim=1) for images, _ in pair.on_data.batches()])
    middle = float(lengths.median())
    given = subject(pair, settings, ball_of(pair.on_data, middle))
    found, whole = (by_statement(statements(one)) for one in (given, subject(pair, settings, ball_of(pair.on_data, 0))))
    assert found["theorem A"].value < whole["theorem A"].value
    assert found["theorem A"].measured <= whole["theorem A"].measured
    assert found["theorem A on the images"].measured == whole["theorem A on the images"].measured
    assert ball_constants(given, given.description.closeness(middle, lambda one: None))[0].value == middle


def test_layers_that_differ_in_a_bias_alone_are_changed():
    dense = nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
    pruned = copy.deepcopy(dense)
    with torch.no_grad():
        pruned[3].bias += torch.tensor([0.0, 3.0, 4.0])
    example = torch.zeros(1, 2, 2, 2)
    found = changed_layers(described(dense, example, (), quiet), pruned, quiet)
    assert [one.layer for one in found] == ["3"]
    assert bounded(dense, pruned, example, 1.0).difference == pytest.approx(5, rel=1e-6)


def test_other_shapes_are_refused():
    dense, pruned = (nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 3)) for width in (4, 2))
    found = described(dense, torch.zeros(1, 8), (), quiet)
    with pytest.raises(Refusal, match="0: 2x8 in the pruned file, 4x8 in the dense"):
        changed_layers(found, pruned, quiet)


def test_what_is_infinite_is_not_written():
    assert (finite(2.5), finite(float("inf"))) == (2.5, None)
