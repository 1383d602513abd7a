"""nHSIC of layers with the images and with the labels, also by epoch: whether a phase of compression shows."""

import logging
from collections.abc import Iterator, Mapping

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.state_dicts import tensor_of
from apcli.models.copies import copy_of
from apcli.probes.representations import Tap, grams
from apcli.probes.undisturbed import Batches
from apcli.records.bound import DIAGNOSTIC, Assumption, Bound, Constant
from apcli.stages.bounds.measured import MeasuredPair, Stated
from apcli.stages.bounds.networks import NetworkPair
from apcli.stages.pairs.epochs import epochs_of
from apcli.theory.dependence import FEWEST, nhsic

log = logging.getLogger("apcli")

PAPER = "arXiv:2108.08532, figures 9 and 10, debiased"
IMAGES, LABELS = "images", "labels"
_ENOUGH = 256  # images: the debiased estimate of independent features is within 0.005 of 0
_OF_TRACE = Assumption(
    "the rest of the network at an epoch is that of the file",
    None,
    "a trace holds weights: biases and scales are the file's, and the norms' statistics are measured again",
)


def statements(pair: MeasuredPair, on_data: NetworkPair) -> Iterator[Stated]:
    """nHSIC of each layer's outputs with images and labels: of the dense network, the pruned one, and by epoch.

    Epochs need a trace of all compared layers.
    """
    batches = _thinned(on_data.batches, on_data.evaluated["images"])
    ((images, _),) = batches()
    if len(images) < FEWEST:
        log.warning("%s: nHSIC needs %d images or more", pair.pruned.label, FEWEST)
        return
    states: list[tuple[str, int | None, nn.Module]] = [("dense", None, on_data.dense), ("pruned", None, on_data.pruned)]
    traced = [one for one in epochs_of(pair.pruned, pair.layers)[1:] if len(one[1]) == len(pair.layers)]
    for state, epoch, network in states:
        yield from _of(pair, on_data, state, epoch, network, batches)
    for epoch, weights in traced:
        yield from _of(pair, on_data, "pruned", epoch, _at_epoch(on_data.pruned, weights, batches), batches)


def _of(
    pair: MeasuredPair, on_data: NetworkPair, state: str, epoch: int | None, network: nn.Module, batches: Batches
) -> Iterator[Stated]:
    pair.tell(f"nHSIC in the layers of {(pair.dense if state == 'dense' else pair.pruned).label}")
    found = grams(network, {layer.name: [Tap(layer.tensor, output=True)] for layer in pair.layers}, batches)
    names = [layer.name for layer in pair.layers]
    values = nhsic([*(gram for name in names for gram in found.features[name][:1]), found.images, found.labels])
    images = Constant("images", float(len(found.images)), 0.0, "counted")
    for place, name in enumerate(names):
        for target, column in ((IMAGES, -2), (LABELS, -1)):
            bound = Bound.stated(
                f"nHSIC with the {target}, {state}", PAPER, DIAGNOSTIC, f"nHSIC of a layer and the {target}", 1.0,
                measured=float(values[place, column]), trivial=1.0,
                assumptions=(_OF_TRACE,) if epoch is not None else (), constants=(images,),
            )  # fmt: skip
            yield Stated(bound, name, epoch, on_data.evaluated)


def _thinned(batches: Batches, count: int) -> Batches:
    """One batch of at most ``_ENOUGH`` of the images, evenly spaced."""
    step = -(-count // _ENOUGH)
    images, labels = (torch.cat(parts)[::step] for parts in zip(*batches(), strict=True))
    return lambda: iter([(images, labels)])


def _at_epoch(network: nn.Module, weights: Mapping[str, Entry], batches: Batches) -> nn.Module:
    """A copy of the network with an epoch's weights, its norms' running statistics measured again on the images."""
    copy = copy_of(network)
    state = copy.state_dict()
    norms = [module for module in copy.modules() if isinstance(module, _NormBase) and module.track_running_stats]
    with torch.no_grad():
        for name, entry in weights.items():
            state[name].copy_(tensor_of(entry))
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over the batches
            norm.train()
        for images, _ in batches() if norms else ():
            copy(images)
    return copy.eval()
