"""Hold a product to its checkpoint: both are run on the same images, and the zeros of both are counted."""

import torch
from torch import Tensor

from apcli.checkpoints.sizes import weights_of
from apcli.errors import ApcliError, VerificationError
from apcli.networks import noise_for, running
from apcli.probes.undisturbed import logits_of
from apcli.stages.export.products import Exported, Product

SEED = 0
BATCHES = (1, 2)  # images of the two inputs, where a product takes any number
TOLERANCE = 1e-4  # of the largest logit


def check(exported: Exported, product: Product, place: str) -> str:
    """Compare a product, which ``place`` names in messages, with its checkpoint; returns what was found, in words.

    Raises:
        ApcliError: the checkpoint's network does not run, or not to finite logits.
        VerificationError: the logits differ by more than ``TOLERANCE``, or there are fewer zeros.
    """
    difference = max(
        _difference(exported, product, place, size)
        for size in ((exported.batch_size,) if exported.batch_size else BATCHES)
    )
    zeros, weights = _zeros(exported, product, place)
    return (
        f"the logits of {exported.checkpoint.label} to {difference:.1g} of the largest, and its {zeros:,} zeros among "
        f"{weights:,} weights"
    )


def _difference(exported: Exported, product: Product, place: str, size: int) -> float:
    """The largest difference of logits on ``size`` images, as a share of the largest logit."""
    label, spec, network = exported.checkpoint.label, exported.spec, exported.network
    images = noise_for(network, spec, size, SEED)
    with torch.no_grad(), running(label, spec):
        wanted = logits_of(network(images))
    if not torch.isfinite(wanted).all():
        raise ApcliError(f"{label}: its network's logits are not finite on images of normal noise: nothing is written")
    with torch.no_grad():
        given = logits_of(product.run(images))
    largest = float(wanted.abs().max())
    difference = float((given - wanted).abs().max()) if given.shape == wanted.shape else float("inf")
    if not difference <= TOLERANCE * largest:
        raise VerificationError(
            f"{place} would compute other logits than {label}: they differ by {difference:.2g} where the largest is "
            f"{largest:.2g}, on {size} images of seed {SEED}: nothing is written; try another --format"
        )
    return difference / largest if largest else 0.0


def _zeros(exported: Exported, product: Product, place: str) -> tuple[int, int]:
    """The zeros among the layers' weights of the checkpoint, and the number of these weights.

    A format may fold or rename a few tensors: their zeros are looked for among all others of the product.
    """
    own = exported.network.state_dict()
    weights = {name: own[name] for name in sorted(weights_of(exported.checkpoint)) if name in own}
    lost, elsewhere = 0, 0
    for name, weight in weights.items():
        if name not in product.tensors:
            elsewhere += _count(weight)
        elif (missing := _count(weight) - _count(product.tensors[name])) > 0:
            lost += missing
    others = sum(_count(tensor) for name, tensor in product.tensors.items() if name not in own and tensor.dim() > 1)
    lost += max(0, elsewhere - others)
    zeros = sum(map(_count, weights.values()))
    if lost:
        raise VerificationError(
            f"{place} would lack {lost:,} of the {zeros:,} zeros of {exported.checkpoint.label}: nothing is written; "
            "try another --format"
        )
    return zeros, sum(weight.numel() for weight in weights.values())


def _count(tensor: Tensor) -> int:
    return tensor.numel() - int(torch.count_nonzero(tensor))
