"""The theory ``ap3``: its statements about one pair of files, in the paper's order."""

import logging
from collections.abc import Iterator

from apcli.errors import UsageError
from apcli.registry.tables import Parameter, imported
from apcli.stages.bounds.ap3 import neighbours, weights
from apcli.stages.bounds.ap3.epochs import lengths
from apcli.stages.bounds.ap3.latent import Covariance, Latents
from apcli.stages.bounds.measured import MeasuredPair, Stated

log = logging.getLogger("apcli")

_ON_NETWORKS = "apcli.stages.bounds.ap3.performance:statements"  # it loads PyTorch


def ap3(pair: MeasuredPair, *, scale: float, df: float, cov: str, **parameters: Parameter) -> Iterator[Stated]:
    """All statements; without a network that is known, those about weights alone, and a warning.

    Args:
        scale: standard deviation of each weight's Gaussian, and scale of its Student-t distribution; of another
            covariance than the identity, the factor that multiplies its standard deviations.
        df: degrees of freedom of the Student-t distribution.
        cov: the covariance within a row of weights, of ``ONE_COVARIANCE``; ``parameters`` are those of its row.

    Raises:
        UsageError: a network or data are asked for, and cannot be had; or the covariance does not suit a layer.
    """
    missing = _missing(pair)
    latents = Latents(pair.weights, Covariance.of(cov, scale, parameters))
    yield from weights.statements(pair.weights, latents, df)
    yield from neighbours.statements(pair, latents)
    yield from lengths.statements(pair, latents)
    if missing:
        log.warning("%s: the bounds on PD are left out: %s", pair.pruned.label, missing)
    else:
        yield from imported(_ON_NETWORKS)(pair, latents)


def _missing(pair: MeasuredPair) -> str:
    """The reason why the networks cannot run; empty if they can."""
    asked = pair.config.model is not None or pair.config.data.name is not None
    if not asked and pair.dense.lineage.model is None and pair.pruned.lineage.model is None:
        return "the files do not say which network they are: give --model NAME"
    try:
        _ = pair.on_data
    except UsageError as error:
        if asked:
            raise
        return str(error)
    return ""
