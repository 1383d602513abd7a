"""What a network computes: multiply-adds, and to which weights they belong."""

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

_VECTORS = {  # products that the counter has no formula for
    torch.ops.aten.mv: lambda matrix, vector, **_: 2 * matrix.numel(),
    torch.ops.aten.addmv: lambda bias, matrix, vector, **_: 2 * matrix.numel(),
}


@dataclass(frozen=True)
class Costs:
    """Multiply-adds of one image (FLOPs are twice as many), as a dense network computes them.

    Attributes:
        total: of all matrix products and convolutions.
        weights: of each parameter of two or more dimensions, by its name in the state dict; 0 where no product has it
            as its operand. The elements of a linear or convolution weight take part equally often, so that ``zeros``
            among ``size`` elements save exactly ``macs * zeros / size``.
    """

    total: int
    weights: dict[str, int]

    @property
    def others(self) -> int:
        """Of products without such a weight: of activations with one another, as in attention."""
        return self.total - sum(self.weights.values())


def macs(model: nn.Module, example: Tensor) -> Costs:
    """Count the multiply-adds of the first image of ``example`` [B, ...] from the shapes of what is executed.

    A product belongs to the weight that is its operand, whole or a view of it, however often and by whatever code it
    is called. A weight of several names has all under the last one, whose values are those that loading leaves. Where
    a network makes its operand of a weight (standardises it, say), a zero in the file is none in the product, which is
    then one of the others. Padding counts as if it were computed; biases, norms, activations and pooling do not count.

    Source: the formulas are those of ``torch.utils.flop_counter``, halved.
    """
    named = model.named_parameters(remove_duplicate=False)
    weights = {name: weight for name, weight in named if weight.dim() >= 2}
    owners = {weight.untyped_storage().data_ptr(): name for name, weight in weights.items() if weight.numel()}
    found = dict.fromkeys(weights, 0)

    def attributed(formula: Callable[..., int]) -> Callable[..., int]:
        def flops(*operands: Any, **options: Any) -> int:
            count = formula(*operands, **options)
            for operand in reversed(operands):  # a weight comes after what it is applied to
                owner = owners.get(operand.untyped_storage().data_ptr()) if isinstance(operand, Tensor) else None
                if owner is not None:
                    found[owner] += count // 2
                    break
            return count

        flops._get_raw = True  # type: ignore[attr-defined]  # then the counter gives tensors, not their shapes
        return flops

    formulas = {operation: attributed(formula) for operation, formula in {**flop_registry, **_VECTORS}.items()}
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    detached = {
        name: weight.detach() for name, weight in model.named_parameters()
    }  # the counter's hooks fail on what learns
    with undisturbed(model), torch.inference_mode(), _plain_kernels(), counter:
        functional_call(model, detached, (example[:1],))
    return Costs(counter.get_total_flops() // 2, found)


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Recurrent networks are made of matrix products inside: their fused kernels hide them from the counter."""
    with ExitStack() as stack:
        with warnings.catch_warnings(action="ignore"):  # torch's, of settings that these leave as they are
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield
