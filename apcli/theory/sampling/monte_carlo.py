"""Monte Carlo with standard errors: every measure as an average of two distributions' log-ratio over random points.

The points come from ``log_ratios.py``, a few scalars each, or ``naive.py``, whole vectors; ``functionals.py`` averages.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from apcli.devices import device_of
from apcli.registry.tables import Choice, imported
from apcli.theory import MeasureRow
from apcli.theory.measures import NotDefined, Pair
from apcli.theory.sampling.functionals import Draws, Estimate
from apcli.theory.sampling.log_ratios import antithetic


def estimate(pair: Pair, measure: Choice[MeasureRow], samples: int, repeats: int, seed: int, device: str) -> Estimate:
    """The measure of the pair by Monte Carlo over the scalars that its log-ratio depends on.

    Args:
        pair: a Gaussian, Student-t or product pair.
        measure: any whose row has a functional of draws.
        samples: latent points at which the log-ratio is evaluated, antithetic partners counted; measures that need
            draws from both distributions take half of them from each.
        repeats: multiplies ``samples``; all draws are different.
        seed: of a separate generator on ``device``; the same arguments give the same number.
        device: a name as for ``--device``; it needs double precision.

    Returns:
        The mean over all draws, and its standard error from the averages of antithetic pairs. An integral that is known
        to be infinite is infinite without error. Where the log-ratio has no variance (KL of a Student-t distribution of
        df <= 4 from a Gaussian) the standard error is too small; so it is for Renyi orders where few draws carry the
        sum.

    Raises:
        NotDefined: the measure is no average over draws, or the pair's distributions are not drawn.
        ValueError: a number is out of range.
    """
    generator = torch.Generator(device_of(device)).manual_seed(seed)
    with _one_thread():
        return from_draws(partial(antithetic, generator=generator), pair, measure, samples * repeats)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: short operations gain little from torch's threads, and lose thirtyfold on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def from_draws(draws: Draws, pair: Pair, measure: Choice[MeasureRow], points: int) -> Estimate:
    """The measure of the pair from ``points`` log-ratios.

    Raises:
        NotDefined: the measure is no average over draws.
        ValueError: there are too few points.
    """
    if points < 8:
        raise ValueError(f"{points} points in all: expected at least 8 for a mean with a standard error")
    if not measure.row.drawn:
        raise NotDefined(f"{measure.name} is no average of a density ratio: use --estimator exact")
    estimate: Estimate = imported(measure.row.drawn)(draws, pair, points, **measure.parameters)
    return estimate
