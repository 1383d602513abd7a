"""Distributions of a pair's weights: one scale matrix, its eigenvalues, and what differences are under it."""

import numpy as np
import pytest
from measured_pairs import latents_of, measured
from safetensors.numpy import save_file

from apcli.stages.bounds.ap3.latent import Covariance


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two layers of 5 x 3 and 4 x 2 weights."""
    folder, draw = tmp_path_factory.mktemp("latent"), np.random.default_rng(2)
    tensors = {"a.weight": draw.normal(size=(5, 3)), "b.weight": draw.normal(size=(4, 2))}
    save_file(tensors, folder / "dense.safetensors")
    save_file({name: weight * (abs(weight) > 0.5) for name, weight in tensors.items()}, folder / "pruned.safetensors")
    return measured(folder / "dense.safetensors", folder / "pruned.safetensors")


def test_a_layer_has_the_covariance_of_its_dense_weights(pair):
    a, _ = pair.weights
    latent = latents_of(pair, 2.0, "diag").of(a)
    unbiased = a.dense.var(axis=0, ddof=1)
    variances = 4 * (4 * unbiased + unbiased.mean()) / 5
    assert (latent.smallest, latent.largest) == pytest.approx((variances.min(), variances.max()))
    assert latent.trace == pytest.approx(5 * variances.sum())
    assert latent.delta**2 == pytest.approx(np.sum(a.difference**2 / variances))
    assert latent.deviation**2 == pytest.approx(np.sum(a.difference**2 * variances) / a.ap2)
    assert latent.kl == pytest.approx(latent.delta**2 / 2)


def test_layers_together_are_independent(pair):
    latents = latents_of(pair, 1.0, "ar1", rho=0.5)
    a, b = map(latents.of, pair.weights)
    whole = latents.all
    assert whole.size == 23
    assert whole.length**2 == pytest.approx(sum(w.ap2 for w in pair.weights))
    assert whole.kl == pytest.approx(a.kl + b.kl)
    assert (whole.smallest, whole.largest) == pytest.approx((1 / 3, 3))
    assert whole.trace == pytest.approx(23)
    assert whole.spread == pytest.approx(4 * 23)
    assert len(whole.eigenvalues()) == 2


def test_other_locations_have_the_same_covariance(pair):
    latents, (a, _) = latents_of(pair, 1.0, "diag"), pair.weights
    twice = latents.between(a, 2 * a.difference)
    assert twice.delta == pytest.approx(2 * latents.of(a).delta)
    assert twice.largest == latents.of(a).largest
    still = latents.between(a, np.zeros_like(a.difference))
    assert (still.delta, still.deviation, still.kl) == (0, 0, 0)


def test_the_isotropic_one_is_told_by_its_variance(pair):
    latent = latents_of(pair, 2.0).all
    assert latent.gaussians == "AP3 (Gaussian, S = 4 I)"
    (constant,) = latent.eigenvalues()
    assert constant.value == 4
    assert Covariance.of("rows", 3.0, {"shrinkage": "auto"}).about == "cov=rows, scale 3"
