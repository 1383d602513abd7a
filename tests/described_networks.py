"""Small networks of torchvision's and the project's parts, described, and how far apart two of them are."""

import copy

import torch
from short_trainings import quiet
from torch import nn

from apcli.stages.bounds.probabilistic.given_mask import changed_layers
from apcli.stages.bounds.probabilistic.subject import described


def settled(network, example):
    """The network in evaluation mode, with running statistics of noise, and weights and biases that do not vanish."""
    network.train()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
        network(torch.randn(64, *example.shape[1:]))
    return network.eval()


def pruned_at_random(network, share, seed=0):
    """A copy without a share of each weight, and with other biases and running means."""
    draws = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            if parameter.dim() > 1:
                parameter.mul_(torch.rand(parameter.shape, generator=draws) >= share)
            else:
                parameter.add_(0.01 * torch.randn(parameter.shape, generator=draws))
        for buffer in other.buffers():
            if buffer.dim():
                buffer.mul_(1 + 0.02 * torch.rand(buffer.shape, generator=draws))
    return other


def in_the_ball(example, radius, number=64, seed=0):
    """Inputs of lengths up to the radius, half of them that long."""
    inputs = torch.randn(number, *example.shape[1:], generator=torch.Generator().manual_seed(seed)).double()
    lengths = torch.ones(number).double()
    lengths[: number // 2] = torch.linspace(0.01, 1, number // 2)
    return inputs * (radius * lengths / inputs.flatten(1).norm(dim=1)).reshape(-1, *[1] * (inputs.dim() - 1))


def apart(dense, pruned, inputs):
    """The largest |F - f|, |F| and |f| over the inputs."""
    with torch.no_grad():
        first, second = (copy.deepcopy(network).double()(inputs).flatten(1) for network in (dense, pruned))
    return tuple(float(one.norm(dim=1).max()) for one in (first - second, first, second))


def bounded(dense, pruned, example, radius):
    """Theorem A of two networks of one structure."""
    found = described(dense, example, (), quiet)
    return found.closeness(radius, changed_layers(found, pruned, quiet).get)


def weights_of(network):
    """Names of the weights that layers multiply by."""
    layers = (nn.Linear, nn.modules.conv._ConvNd)
    return tuple(f"{name}.weight" for name, module in network.named_modules() if isinstance(module, layers))
