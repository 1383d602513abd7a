"""The affine maps of a network: fully connected layers, convolutions, and the batch norms behind them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from apcli.probes.traced.operations import Operation, Refusal
from apcli.theory.closeness.convolutions import Sliding, entries, operator_norm
from apcli.theory.closeness.norms import SpectralNorm
from apcli.theory.closeness.random_masks import Entries


@dataclass(frozen=True)
class Affine:
    """x -> K x + b as one network has it.

    Attributes:
        kernel: float64 [out, in / groups, *window]; of a transposed convolution [in, out / groups, *window].
        bias: float64 [out].
    """

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Map:
    """A layer with weights, or a batch norm by itself, where a network has it.

    Attributes:
        layer: path of its module.
        norm: path of the batch norm behind it, which multiplies its outputs and is part of the map; None: none.
        sliding: how its kernel slides; no dimensions: fully connected, or a batch norm (of as many groups as channels).
        outputs: pixels of each output channel.
    """

    layer: str
    norm: str | None
    sliding: Sliding
    outputs: int

    @property
    def weight(self) -> str:
        """Name of the tensor whose zeros are zeros of the kernel."""
        return f"{self.layer}.weight"

    def of(self, network: nn.Module) -> Affine:
        """The map as a network of this structure has it."""
        module: Any = network.get_submodule(self.layer)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            factors, shift = _evaluated(module)
            return Affine(factors[:, None], shift)
        kernel = _numbers(module.weight)
        bias = _zeros(_outputs(module)) if module.bias is None else _numbers(module.bias)
        if self.norm is not None:
            factors, shift = _evaluated(network.get_submodule(self.norm))
            kernel, bias = kernel * factors.reshape(-1, *[1] * (kernel.ndim - 1)), bias * factors + shift
        return Affine(kernel, bias)

    def length(self, bias: np.ndarray) -> float:
        """Length of a bias over all outputs."""
        return float(np.linalg.norm(bias)) * math.sqrt(self.outputs)

    def norm_of(self, kernel: np.ndarray) -> SpectralNorm:
        """The norm of the map of a kernel, or an upper bound on it."""
        return operator_norm(kernel, self.sliding)

    def entries_of(self, kernel: np.ndarray, norm: SpectralNorm) -> Entries:
        """What Theorem C needs of the kernel, whose norm is given."""
        return entries(kernel, self.sliding, norm)

    def applied(self, network: nn.Module, kernel: Tensor, inputs: Tensor) -> Tensor | None:
        """The outputs of a kernel without bias; None of a transposed convolution or a batch norm by itself."""
        module: Any = network.get_submodule(self.layer)
        if isinstance(module, nn.Linear):
            return F.linear(inputs, kernel)
        if isinstance(module, nn.modules.conv._ConvNd) and not module.transposed:
            outputs: Tensor = module._conv_forward(inputs, kernel, None)
            return outputs
        return None


def map_of(operation: Operation, norm: Operation | None) -> Map:
    """The map of a linear layer, a convolution or a batch norm, with the batch norm ``norm`` behind it.

    Raises:
        Refusal: it normalises by the batch.
        ValueError: its padding is not of zeros.
    """
    module: Any = operation.kind
    for one in (operation, norm):
        if one is not None and isinstance(one.kind, nn.modules.batchnorm._BatchNorm) and one.kind.running_var is None:
            raise Refusal(one.name, "it normalises by the batch, so that its scale depends on the data")
    shape, behind = operation.after, None if norm is None else norm.where
    if isinstance(module, nn.Linear):
        return Map(operation.where, behind, Sliding((), (), (), ()), math.prod(shape[:-1]))
    if isinstance(module, nn.modules.conv._ConvNd):
        image = shape[2:] if module.transposed else operation.before[0][2:]
        return Map(operation.where, behind, sliding_of(module, image), _pixels(shape))
    return Map(operation.where, None, Sliding((), (), (), (), module.num_features), _pixels(shape))


def _pixels(shape: Sequence[int]) -> int:
    """Of each channel, dimension 1; an image may be several for its layers."""
    return math.prod(shape) // shape[1]


def sliding_of(module: Any, image: Sequence[int]) -> Sliding:
    """How the windows of a convolution or a maximum pool slide over an image [pixels of each dimension].

    Raises:
        ValueError: zeros are not what the image is padded with.
    """

    def each(size: Any) -> tuple[int, ...]:
        return (size,) * len(image) if isinstance(size, int) else tuple(size)

    window, stride, dilation = (each(one) for one in (module.kernel_size, module.stride, module.dilation))
    if module.padding == "valid":
        padding = each(0)
    elif module.padding == "same":
        padding = tuple(-(-d * (k - 1) // 2) for d, k in zip(dilation, window, strict=True))
    else:
        padding = each(module.padding)
    mode, groups = getattr(module, "padding_mode", "zeros"), getattr(module, "groups", 1)
    return Sliding(window, stride, dilation, padding, groups, tuple(image), mode)


def _outputs(module: Any) -> int:
    return int(getattr(module, "out_channels", 0) or module.out_features)


def _evaluated(module: Any) -> tuple[np.ndarray, np.ndarray]:
    """By what a batch norm multiplies in evaluation, and what it adds: float64 [channels] each."""
    variance = _numbers(module.running_var)
    gain = _zeros(len(variance)) + 1 if module.weight is None else _numbers(module.weight)
    factors = gain / np.sqrt(variance + module.eps)
    offset = _zeros(len(variance)) if module.bias is None else _numbers(module.bias)
    return factors, offset - _numbers(module.running_mean) * factors


def _zeros(size: int) -> np.ndarray:
    return np.zeros(size)


def _numbers(tensor: Tensor) -> np.ndarray:
    values: np.ndarray = tensor.detach().double().cpu().numpy()
    return values
