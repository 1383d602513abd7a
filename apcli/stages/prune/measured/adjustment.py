"""Adjust the weights that a mask keeps to those that it removes."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.state_dicts import entry_of
from apcli.stages.limits.landscape import Landscape
from apcli.stages.prune.measured.images import OnImages
from apcli.theory.limit import quadratic
from apcli.theory.limit.spectra import rademacher
from apcli.theory.numerics.lanczos import extremes

log = logging.getLogger("apcli")

_STEPS, _TOLERANCE = 25, 0.01  # of conjugate gradients, and the share of the residual at which they stop
_DAMPING = 1e-4  # as a share of the largest eigenvalue
_PARTS = (1.0, 0.5, 0.25, 0.125)
_LANCZOS, _CLOSE = 20, 0.01  # steps for that eigenvalue, and how near is near enough


def adjusted(images: OnImages, layers: Sequence[Layer], masked: Mapping[str, Entry]) -> dict[str, Entry]:
    """The tensors of pruned layers and of their biases, the kept weights moved to the least loss of second order.

    The loss is that of the images, its curvature the Gauss-Newton matrix at the network before pruning, and its
    gradient there is taken to be 0: 1/2 d'Hd for the change d of all weights, minimised over the weights that are not
    zero after pruning (``theory.limit.quadratic``). Zeros stay. Where much is removed the second order is wrong: of the
    step to that minimum, the largest of ``_PARTS`` is taken that lowers the measured loss.

    Args:
        masked: the layers' tensors after pruning, among others.

    Raises:
        ApcliError: the network's logits or their derivatives are NaN or Inf.
    """
    landscape, damping = _landscape_of(images, tuple(layers))
    values = landscape.tensors(landscape.trained)
    pruned = {layer.tensor: masked[layer.tensor].values != 0 for layer in layers}
    kept = landscape.point({name: pruned.get(name, np.ones(own.shape)) for name, own in values.items()}) != 0
    found = quadratic.adjusted(
        landscape.product, landscape.trained, kept, damping=damping, steps=_STEPS, tolerance=_TOLERANCE
    )
    point = _towards(found.weights, np.where(kept, landscape.trained, 0.0), landscape, images.source.label)
    dtypes = {name: tensor.dtype for name, tensor in images.model.state_dict().items()}
    return {
        name: entry_of(torch.from_numpy(values).to(dtypes[name])) for name, values in landscape.tensors(point).items()
    }


def _towards(best: np.ndarray, start: np.ndarray, landscape: Landscape, label: str) -> np.ndarray:
    """The point on the way from the pruned weights to the best ones, as far as the loss falls, which is said."""
    before = landscape.rise(start)
    for part in _PARTS:
        point = start + part * (best - start)
        after = landscape.rise(point)
        if after < before:
            losses = landscape.loss + before, landscape.loss + after
            log.info("%s: the weights kept are adjusted by %g of the step: loss %.4g to %.4g", label, part, *losses)
            return point
    log.warning("%s: no adjustment of the weights kept lowers the loss: they stay as they are", label)
    return start


def _landscape_of(images: OnImages, layers: tuple[Layer, ...]) -> tuple[Landscape, float]:
    """The loss around the network and the damping of an adjustment, once for all masks of these layers."""
    if layers not in images.landscapes:
        landscape = Landscape(images.trained(layers), "gauss-newton")
        (start,) = rademacher(landscape.order.size, 1, 0)
        largest = extremes(landscape.product, start, steps=_LANCZOS, tolerance=_CLOSE).largest
        images.landscapes[layers] = landscape, _DAMPING * max(0.0, largest)
    return images.landscapes[layers]
