"""Pairs of files for the tests of bounds."""

from collections import OrderedDict
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import save_file
from short_trainings import quiet
from torch import nn

from apcli.checkpoints.reading import read
from apcli.configs.bounds import BoundsConfig
from apcli.models.spec import ModelSpec
from apcli.probes.outputs import Outputs
from apcli.records.bound import Bound
from apcli.stages.bounds.ap3.latent import Covariance, Latents
from apcli.stages.bounds.files import Files
from apcli.stages.bounds.measured import MeasuredPair, Stated
from apcli.stages.bounds.networks import NetworkPair, Pairs
from apcli.stages.pairs.layers import compared_layers


def measured(dense, pruned, **options):
    """The pair of two paths, or of two checkpoints."""
    config = BoundsConfig(**{"device": "cpu", **options})
    before, after = (one if hasattr(one, "lineage") else read(one) for one in (dense, pruned))
    layers = compared_layers(before, after, config.layers, config.exclude)
    return MeasuredPair(Files(before, after, tuple(layers)), config, cache(lambda: Pairs(config, quiet)), quiet)


def latents_of(pair, scale=1.0, cov="identity", **given):
    """The distributions of a pair's compared layers."""
    return Latents(pair.weights, Covariance.of(cov, scale, given))


class OnTensors(NetworkPair):
    """Two networks of a test and its images, in their own precision."""

    def __init__(self, files, networks, images, labels):
        self.files, self.images, self.labels = files, images, labels
        self.evaluated = {"data": "a test's", "split": "test", "images": len(labels)}
        with torch.no_grad():
            classes = networks[0](images).shape[1]
        self.spec = ModelSpec("net.py:net", "user", classes, (1, 1, 1), (0.0,), (1.0,))
        vars(self).update(zip(("dense", "pruned"), networks, strict=True))
        vars(self)["dense_outputs"] = self.outputs_of(networks[0], "dense")

    @property
    def batches(self):
        return lambda: zip(self.images.split(100), self.labels.split(100), strict=True)

    def once(self, what, make):
        return make()

    def outputs_of(self, network, label):
        with torch.no_grad():
            return Outputs(network(self.images).double().numpy(), self.labels.numpy())


def measured_on(folder, networks, images, labels, **options):
    """The pair of two networks, dense and pruned, which are written to files."""
    for name, network in zip(("dense", "pruned"), networks, strict=True):
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    before, after = (read(folder / f"{name}.safetensors") for name in ("dense", "pruned"))
    config = BoundsConfig(**{"device": "cpu", **options})
    layers = compared_layers(before, after, config.layers, config.exclude)
    pairs: Any = SimpleNamespace(of=lambda files: OnTensors(files, networks, images, labels))
    return MeasuredPair(Files(before, after, tuple(layers)), config, lambda: pairs, quiet)


def linear(weight, bias=None):
    """A layer ``fc`` of this weight [K, J]; as images it takes its inputs."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=torch.float64)
    layer.load_state_dict(
        {"weight": torch.as_tensor(weight), **({} if bias is None else {"bias": torch.as_tensor(bias)})}
    )
    return nn.Sequential(OrderedDict(fc=layer))


def two_layers(seed=0, **replaced):
    """A network of the layers ``a`` and ``b`` in float64, with some of its tensors replaced."""
    torch.manual_seed(seed)
    layers = OrderedDict(a=nn.Linear(6, 5), relu=nn.ReLU(), b=nn.Linear(5, 3))
    network = nn.Sequential(layers).double()
    state = {**network.state_dict(), **{name.replace("_", "."): value for name, value in replaced.items()}}
    network.load_state_dict(state)
    return network


def by_statement(stated, layer="*", epoch=None):
    """The bounds about one layer and epoch, by the statement's name."""
    return {one.bound.statement: one.bound for one in stated if (one.layer, one.epoch) == (layer, epoch)}


def one_statement(pair, *, size):
    """A theory that no table of ours lists."""
    outputs = pair.on_data.dense_outputs
    bound = Bound.stated("as large", "a test", "proven", "loss", size, measured=outputs.loss)
    yield Stated(bound, pair.layers[0].name, evaluated=pair.on_data.evaluated)
