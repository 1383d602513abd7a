"""Small networks whose channels are pruned, and what is left of them."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from apcli.channels.calls import Compared, resize_calls_
from apcli.channels.groups import channel_graph
from apcli.channels.removal_check import gone_of, kept_of
from apcli.channels.resize import fit_
from apcli.channels.trace.tracing import places_of
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of, tensor_of
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.criteria import FILTER_METHODS
from apcli.models.spec import ModelSpec
from apcli.stages.prune.channel_amounts import amounts_of_channels, candidates_of
from apcli.stages.prune.channels import FilterPruner
from apcli.stages.prune.requests import requests_of


class Branches(nn.Module):
    """A user's network: two branches that are joined, a sum, a gate, and a hidden layer."""

    def __init__(self, classes=5):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.left = nn.Sequential(nn.Conv2d(8, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.right = nn.Sequential(nn.Conv2d(8, 4, 1), nn.PReLU(4))
        self.mix = nn.Conv2d(10, 8, 1)
        self.fc = nn.Sequential(nn.Linear(8 * 16, 12), nn.ReLU(), nn.Linear(12, classes))

    def forward(self, x):
        x = F.max_pool2d(self.stem(x), 2)
        x = x + self.mix(torch.cat([self.left(x), self.right(x)], 1))
        return self.fc(F.adaptive_avg_pool2d(x, 4).flatten(1))


class Misleading(nn.Module):
    """What the graph cannot know: it computes with the number of channels that ``first`` and ``second`` make."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)
        self.fourth, self.fc = nn.Conv2d(8, 6, 1), nn.Linear(6, 5)

    def forward(self, x):
        x = self.first(x)
        x = self.second(x / x.shape[1]).relu()
        x = self.third(x * x.shape[1] ** -0.5).relu()
        return self.fc(self.fourth(x).relu().mean((2, 3)))


def without(model, graph, groups, removed, images):
    """A copy of a network that lacks channels of these groups, with the sizes of its calls; what is kept, and sizes."""
    gone = gone_of(groups, removed)
    kept = {name: kept_of(model.state_dict()[name].shape, dims) for name, dims in gone.items()}
    small = copy.deepcopy(model)
    fit_(small, kept)
    with torch.no_grad(), places_of(small) as place, Compared(graph.calls, graph.gone(gone), place) as compared:
        small(images)
    resize_calls_(small, compared.sizes)
    return small, kept, compared.sizes


def generic(model, seed=0):
    """Weights, scales and statistics drawn, none at a value of its own; the network is in evaluation mode."""
    torch.manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and tensor.dim():
            tensor.normal_(0, (2 / max(1, tensor[0].numel())) ** 0.5 if tensor.dim() > 1 else 1)
    return model.eval()


def spec_of(size, channels=3, classes=5):
    return ModelSpec("net.py:net", "user", classes, (channels, size, size), (0.0,) * channels, (1.0,) * channels)


def saved(path, tensors, **lineage):
    """A checkpoint of tensors by name or of entries, read back."""
    entries = tensors if not isinstance(next(iter(tensors.values())), torch.Tensor) else entries_of(tensors)
    write(path, entries, Lineage.EMPTY.then("train", {}, **lineage))
    return read(path)


def pruner_of(tmp_path, model, size=16, layers=None, batches=None, exclude=None, through_norms=False, **lineage):
    source = saved(tmp_path / "source.safetensors", model.state_dict(), **lineage)
    chosen = [layer for layer in prunable(source) if layers is None or layer.name in layers]
    return filter_pruner(source, model, spec_of(size), chosen, batches, exclude, through_norms)


def filter_pruner(source, model, spec, layers, batches=None, exclude=None, through_norms=False):
    graph = channel_graph(model, torch.zeros(1, *spec.input_size))
    candidates = candidates_of(source, graph.groups, layers, exclude, through_norms=through_norms)
    return FilterPruner(source, model, spec, graph, candidates, batches)


def prune(pruner, method="l1", sparsity=0.5, scope="layer", seed=0, min_keep=1, compact=False, named=()):
    shares = {"scope": scope, "min_keep": min_keep, "layer_sparsity": tuple(named), "structure": "filter"}
    config = PruneConfig(() if sparsity is None else (sparsity,), **shares)
    (request,) = requests_of(config, 0)
    amounts = amounts_of_channels(pruner.source, pruner.candidates, request.amount, config)
    return pruner.prune(FILTER_METHODS.parse(method), amounts, seed, compact)


def rows_left(result, tensor="0.weight"):
    weight = tensor_of(result.entries[tensor])
    return [row for row in range(len(weight)) if weight[row].any()]


def chain(*filters, bias=0.0):
    """A layer of these filters, and one that reads its channels."""
    model = nn.Sequential(nn.Linear(2, len(filters)), nn.ReLU(), nn.Linear(len(filters), 5))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(filters))
        model[0].bias.fill_(bias)
        model[2].weight.fill_(1.0)
    return nn.Sequential(nn.Flatten(), *model)


def chain_pruner(tmp_path, model, **options):
    source = saved(tmp_path / "source.safetensors", model.state_dict())
    spec = ModelSpec("net.py:net", "user", 5, (2, 1, 1), (0.0,) * 2, (1.0,) * 2)
    return filter_pruner(source, model, spec, prunable(source), **options)


def sizes_left(pruner, result):
    return {group.name: len(tensor_of(result.entries[group.producers[0].tensor])) for group in pruner.groups}
