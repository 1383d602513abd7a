import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from apcli.theory.gaussian import kl


@pytest.mark.parametrize("delta", [0.0, 1e-6, 0.1, 1.0, 10.0, 1e3, 1e150])
def test_kl_is_half_the_squared_distance_as_torch_has_it(delta):
    p, q = (Normal(torch.tensor(mean, dtype=torch.float64), 1.0) for mean in (0.0, delta))
    assert kl(delta) == pytest.approx(kl_divergence(p, q).item(), rel=1e-15, abs=1e-15)  # torch subtracts 1


@pytest.mark.parametrize("dim", [1, 3, 40])
def test_kl_of_full_covariances(dim):
    draw = torch.Generator().manual_seed(dim)
    a = torch.randn(dim, dim, generator=draw, dtype=torch.float64)
    covariance = a @ a.T + torch.eye(dim, dtype=torch.float64)
    p, q = (MultivariateNormal(torch.randn(dim, generator=draw, dtype=torch.float64), covariance) for _ in range(2))
    shift = p.mean - q.mean
    delta = math.sqrt(shift @ torch.linalg.solve(covariance, shift))
    assert kl(delta) == pytest.approx(kl_divergence(p, q).item(), rel=1e-11)
    assert kl(delta) == pytest.approx(kl_divergence(q, p).item(), rel=1e-11)


def test_published_value():
    """By hand: D = (0.1, -0.2, 0.3), S = diag(1, 2, 4)."""
    delta = math.sqrt(0.1**2 / 1 + 0.2**2 / 2 + 0.3**2 / 4)
    assert kl(delta) == pytest.approx(0.02625, rel=1e-15)
    scales = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64).sqrt()
    p = Independent(Normal(torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64), scales), 1)
    q = Independent(Normal(torch.zeros(3, dtype=torch.float64), scales), 1)
    assert kl_divergence(p, q).item() == pytest.approx(kl(delta), rel=1e-14)


@pytest.mark.parametrize("delta", [-1e-300, -1.0, math.nan])
def test_a_distance_is_not_negative(delta):
    with pytest.raises(ValueError, match="delta"):
        kl(delta)
