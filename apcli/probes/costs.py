"""A network's multiply-adds, and the weights to which they belong."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from apcli.probes.undisturbed import undisturbed

_VECTORS = {  # products for which the counter has no formula
    torch.ops.aten.mv: lambda matrix, vector, **_: 2 * matrix.numel(),
    torch.ops.aten.addmv: lambda bias, matrix, vector, **_: 2 * matrix.numel(),
}


@dataclass(frozen=True)
class Costs:
    """Multiply-adds for one image (FLOPs are twice as many), as a dense network computes them.

    Attributes:
        total: of all matrix products and convolutions.
        weights: of each parameter with two or more dimensions, by its name in the state dict; 0 if it is no product's
            operand. All elements of a linear or convolution weight are used equally often, so ``zeros`` among ``size``
            elements save exactly ``macs * zeros / size``.
    """

    total: int
    weights: dict[str, int]

    @property
    def others(self) -> int:
        """Multiply-adds of products without such a weight, such as activations with activations in attention."""
        return self.total - sum(self.weights.values())


def macs(model: nn.Module, example: Tensor) -> Costs:
    """Count the multiply-adds for the first image of ``example`` [B, ...] from the shapes of the executed operations.

    A product belongs to the weight that is its operand, or a view of it, whatever code calls it and however often. A
    weight with several names is counted under the last one, whose values remain after loading. If a network computes
    the operand from a weight (by standardising it, say), a zero in the file is no zero in the product, which then
    counts among the others. Padding counts as if it were computed; biases, norms, activations and pooling do not count.

    Source: the formulas of ``torch.utils.flop_counter``, halved.
    """
    named = model.named_parameters(remove_duplicate=False)
    weights = {name: weight for name, weight in named if weight.dim() >= 2}
    owners = {_storage(weight): name for name, weight in weights.items() if weight.numel()}
    counts = dict.fromkeys(weights, 0)

    def attributed(formula: Callable[..., int]) -> Callable[..., int]:
        def flops(*operands: Any, **options: Any) -> int:
            count = formula(*operands, **options)
            for operand in reversed(operands):  # a weight comes after its input
                owner = owners.get(_storage(operand)) if isinstance(operand, Tensor) else None
                if owner is not None:
                    counts[owner] += count // 2
                    break
            return count

        flops._get_raw = True  # type: ignore[attr-defined]  # the counter then passes tensors instead of their shapes
        return flops

    formulas = {operation: attributed(formula) for operation, formula in {**flop_registry, **_VECTORS}.items()}
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    # The counter's hooks fail on tensors that require gradients.
    detached = {name: weight.detach() for name, weight in model.named_parameters()}
    with undisturbed(model), torch.inference_mode(), _plain_kernels(), counter:
        functional_call(model, detached, (example[:1],))
    return Costs(counter.get_total_flops() // 2, counts)


def _storage(tensor: Tensor) -> int:
    """The identity of the storage that a tensor is a view of; without numbers, on ``meta``, all have the address 0."""
    return tensor.untyped_storage()._cdata


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Turn off the fused kernels of recurrent networks, which hide their matrix products from the counter."""
    with ExitStack() as stack:
        with warnings.catch_warnings(action="ignore"):  # about settings that these flags do not change
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield
