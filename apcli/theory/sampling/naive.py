"""Monte Carlo as published: whole latent vectors drawn with Pyro, the mean of the difference of two log-densities.

Kept as a check on the other estimators. It costs dim^2 operations per draw where ``monte_carlo`` needs three scalars,
and has no antithetic pairs: for small divergences the standard error exceeds the value.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from apcli.devices import device_of
from apcli.registry.tables import Choice
from apcli.theory import MeasureRow
from apcli.theory.distributions.products import ProductPair
from apcli.theory.measures import Pair
from apcli.theory.sampling.functionals import Estimate
from apcli.theory.sampling.log_ratios import block_sizes, elliptical_parameters
from apcli.theory.sampling.monte_carlo import from_draws

_LARGEST = 4096  # dimensions: a scale matrix of 128 MiB; drawing and evaluating take a few copies of it
_NUMBERS = 2**20  # Pyro copies the scale matrix for each vector: 8 MiB of copies at once


def estimate(pair: Pair, measure: Choice[MeasureRow], samples: int, repeats: int, seed: int, device: str) -> Estimate:
    """The measure of the pair by Monte Carlo over whole vectors (arXiv:2403.00155, section 5.3).

    Arguments, result and errors are those of ``monte_carlo.estimate``; the standard error is that of independent draws.
    The vectors of an elliptical pair are in coordinates in which the pruned scale matrix is the identity, the dense one
    diagonal, and the shift along one axis of each eigenspace: the log-ratio has the same distribution in all
    coordinates. Double precision (the published code has single) leaves only the draws as a source of error. The dense
    distribution is drawn for ``kl``, as it is defined, where the published code draws the pruned one.

    Raises:
        ValueError: the scale matrix would have too many dimensions.
    """
    if not isinstance(pair, ProductPair):
        dim = elliptical_parameters(pair)[0].dim
        if dim > _LARGEST:
            raise ValueError(
                f"mc-naive needs a scale matrix of {dim} x {dim}: expected at most {_LARGEST} dimensions; "
                "average the weights (groups=100), or use --estimator mc"
            )
    where = device_of(device)
    with torch.random.fork_rng([where] if where.type == "cuda" else []):  # Pyro reads torch's own generator
        torch.manual_seed(seed)
        return from_draws(partial(_draws, device=where), pair, measure, samples * repeats)


def _draws(pair: Pair, points: int, device: torch.device) -> Iterator[torch.Tensor]:
    dense, pruned = _product(pair, device) if isinstance(pair, ProductPair) else _elliptical(pair, device)
    width = pair.dim if isinstance(pair, ProductPair) else pair.dim**2
    for n in block_sizes(points, width, _NUMBERS):
        vectors = dense.sample((n,))
        yield (dense.log_prob(vectors) - pruned.log_prob(vectors))[:, None]


def _elliptical(pair: Pair, device: torch.device) -> tuple[Any, Any]:
    """The two distributions in Pyro, the pruned one standard."""
    import pyro.distributions as pyro

    shift, df, pruned_df = elliptical_parameters(pair)
    axis = np.cumsum(shift.multiplicity) - shift.multiplicity  # the first of each eigenspace
    location = np.zeros(shift.dim)
    location[axis] = shift.distance
    deviation = np.repeat(np.exp(shift.log_eigenvalues / 2), shift.multiplicity)
    dense = torch.tensor(location, device=device), torch.tensor(deviation, device=device).diag()
    pruned = torch.zeros_like(dense[0]), torch.eye(shift.dim, dtype=torch.float64, device=device)

    def distribution(df: float, location: torch.Tensor, factor: torch.Tensor) -> Any:
        if math.isinf(df):
            return pyro.MultivariateNormal(location, scale_tril=factor)
        return pyro.MultivariateStudentT(location.new_tensor(df), location, factor)

    return distribution(df, *dense), distribution(pruned_df, *pruned)


def _product(pair: ProductPair, device: torch.device) -> tuple[Any, Any]:
    """The two distributions in Pyro: independent coordinates, those without a difference too."""
    import pyro.distributions as pyro

    location = np.zeros(pair.dim)
    location[: len(pair.differences)] = pair.differences
    kind = getattr(pyro, pair.one_weight.distribution.PYRO)
    dense = torch.tensor(location, device=device)
    parameters = ((dense, pair.scale), (torch.zeros_like(dense), pair.pruned_scale))
    first, second = (kind(centre, torch.full_like(centre, scale)).to_event(1) for centre, scale in parameters)
    return first, second
