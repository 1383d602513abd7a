"""The log-ratio of two distributions at random points, from a few scalars per point: any dimension, little memory.

Distributions of an elliptical pair differ along one direction in each eigenspace of their relative scale. What is left
of the eigenspace enters through one chi-square, and the Student-t mixing through one gamma variate: for equal scales
three scalars a point, whatever the dimension. (Derived for this project: in coordinates that diagonalise the relative
scale both quadratic forms are sums of squared normals, and in each eigenspace all but one are centred.)

Points come in antithetic pairs, n and -n with the same chi-squares: odd terms in the shift cancel, so that a
divergence of order shift^2 is not drowned by terms of order shift.
"""

import math
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from apcli.theory.distributions.products import ProductPair
from apcli.theory.distributions.radial import Radial
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import NotDefined, Pair

# Numbers drawn at once, the unit in which the generator is read, by kind of device: on a CPU they fit into a core's
# cache; on CUDA each block costs some 20 launches and waits for their sums, whatever its size.
_BLOCKS = {"cpu": 2**14, "cuda": 2**22}
_NUMBERS = 10**11  # more than that in one estimate would take hours
_FARTHEST = 1e150  # squares beyond it overflow
_FEW = 0.2  # degrees of freedom below which a gamma variable may be smaller than floats


@runtime_checkable
class Elliptical(Protocol):
    """A pair of Student-t distributions, or of Gaussians, which have infinite degrees of freedom."""

    @property
    def shift(self) -> Shift: ...

    @property
    def df(self) -> float: ...

    @property
    def pruned_df(self) -> float: ...


def antithetic(pair: Pair, points: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """log first/second, float64 [n, 2] block by block, at antithetic pairs of points of the first distribution.

    Args:
        pair: a Gaussian, Student-t or product pair.
        points: total number, rounded up to whole pairs.
        generator: of the draws, on their device.

    Raises:
        NotDefined: such distributions are not drawn.
        ValueError: there are too many numbers to draw, or the distributions are too far apart.
    """
    pairs = -(-points // 2)
    if isinstance(pair, ProductPair):
        return _product(pair, pairs, generator)
    return _elliptical(*elliptical_parameters(pair), pairs, generator)


def elliptical_parameters(pair: Pair) -> tuple[Shift, float, float]:
    """The shift and the degrees of freedom of both distributions; infinite ones are a Gaussian's.

    Raises:
        NotDefined: the pair has no shift and degrees of freedom.
    """
    if isinstance(pair, Elliptical):
        return pair.shift, pair.df, pair.pruned_df
    raise NotDefined(
        "only Gaussian, Student-t and product distributions are drawn: predictive is exact, use --estimator exact"
    )


def block_of(device: torch.device) -> int:
    """The number of numbers to draw at once on ``device``."""
    return _BLOCKS.get(device.type, _BLOCKS["cpu"])


def block_sizes(rows: int, width: int, numbers: int) -> Iterator[int]:
    """Divide ``rows`` into blocks of at most ``numbers`` numbers, ``width`` per row, but at least one row.

    Raises:
        ValueError: drawing all the numbers would take hours.
    """
    if rows * width > _NUMBERS:
        raise ValueError(
            f"{rows} draws of {width} numbers each would take hours: use fewer --samples or --repeats, "
            "or --estimator exact"
        )
    size = max(1, numbers // width)
    yield from (min(size, rows - start) for start in range(0, rows, size))


def _check_near(shift: Shift) -> None:
    """Raise ValueError if the distributions are too far apart, or too singular, for double precision."""
    if not (shift.delta < _FARTHEST and np.all(np.abs(shift.log_eigenvalues) < math.log(_FARTHEST))):
        raise ValueError(
            f"the distributions are {shift.delta:g} standard deviations apart, or one is singular: "
            "use --estimator exact"
        )


def _elliptical(
    shift: Shift, df: float, other_df: float, pairs: int, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """log p/q [n, 2] at points of p, from a normal and a chi-square for each eigenvalue, and a gamma for df.

    With t = 2 g / df, g ~ Gamma(df / 2), and R_i the squared length in eigenspace i, the quadratic forms are Q1 = sum
    R_i / t and Q2 = Q1 + (sum e_i R_i + t delta^2 +- 2 sqrt(t) sum sqrt(lambda_i) delta_i n_i) / t. Only their
    difference is in the logarithm, relative to Q1: equal distributions have log-ratio 0, close ones stay accurate.
    """
    _check_near(shift)
    dim, gaussian = shift.dim, math.isinf(df) and math.isinf(other_df)
    place: dict[str, Any] = {"dtype": torch.float64, "device": generator.device}
    excess, distance = torch.tensor(shift.excess, **place), torch.tensor(shift.distance, **place)
    tilt = 2 * torch.tensor(shift.eigenvalues, **place).sqrt() * distance
    rest = torch.tensor(shift.multiplicity - 1, **place) / 2  # chi-square of k degrees is twice a gamma of k / 2
    log_det = float(shift.multiplicity @ shift.log_eigenvalues)
    radial = Radial(df, other_df, dim, 0.0)
    for n in block_sizes(pairs, excess.numel(), block_of(generator.device)):
        normal = torch.randn(n, excess.numel(), generator=generator, **place)
        square = normal.square()
        if not (gaussian and shift.one_scale) and rest.any():  # else lengths do not matter, or are the normals alone
            wide = rest > 0
            square[:, wide] += 2 * torch._standard_gamma(rest[wide].expand(n, -1).contiguous(), generator)
        log_mixing = _log_mixing(df, torch.ones(n, **place), generator)
        mixing = log_mixing.exp()
        radius, even = square.sum(1), (square * excess).sum(1) + mixing * shift.delta**2
        odd = mixing.sqrt() * (normal * tilt).sum(1)
        growth = torch.stack([even + odd, even - odd], dim=1)  # (Q2 - Q1) t
        if math.isinf(other_df):
            ratio = growth / (2 * mixing[:, None])
        else:
            ratio = (other_df + dim) / 2 * torch.log1p(growth / (other_df * mixing + radius)[:, None])
        if df != other_df:
            log_square = (radius.log() - log_mixing).cpu().numpy()
            ratio -= torch.tensor(radial.log_ratio(log_square), device=ratio.device)[:, None]
        yield ratio - log_det / 2


def _log_mixing(df: float, ones: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """log(2 g / df), g ~ Gamma(df / 2), using a power of a uniform variable if g itself may underflow."""
    if math.isinf(df):
        return torch.zeros_like(ones)
    half, few = df / 2, df < _FEW
    drawn = torch._standard_gamma(ones * (half + few), generator).log() - math.log(half)
    return (
        drawn + torch.rand(len(ones), generator=generator, dtype=ones.dtype, device=ones.device).log() / half
        if few
        else drawn
    )


def _product(pair: ProductPair, pairs: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """log p/q [n, 2] at points of p: a sum over coordinates, in units of the dense scale.

    Coordinates without a difference matter only if the scales differ. A wide vector is summed part by part.
    """
    if len(pair.differences) and not np.max(np.abs(pair.differences)) / pair.scale < _FARTHEST:
        raise ValueError(f"weights differ by {_FARTHEST:g} scales or more: use --estimator exact")
    same = pair.scale == pair.pruned_scale
    moved, scale = len(pair.differences), pair.pruned_scale / pair.scale
    width = moved if same else pair.dim
    block = block_of(generator.device)
    for n in block_sizes(pairs, max(1, width), block):
        total = torch.zeros(n, 2, dtype=torch.float64, device=generator.device)
        for start in range(0, width, block):
            part = np.zeros(min(block, width - start))
            known = pair.differences[start : start + len(part)]
            part[: len(known)] = np.abs(known) / pair.scale
            difference = torch.tensor(part, device=generator.device)
            total += torch.stack(pair.one_weight.distribution.log_ratios(difference, scale, n, generator), dim=1)
        yield total
