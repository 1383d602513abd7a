"""Which parameters a network multiplies its inputs by, seen from outside: a dispatch mode watches one forward pass.

Nothing here knows a module: what enters a matrix product, a convolution, attention or a recurrent operator counts,
whole, as a view, or made of a parameter of as many elements (standardised, normalised, cast).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PRODUCTS = (
    *("mm", "bmm", "addmm", "baddbmm", "addbmm", "mv", "addmv", "dot", "linear", "matmul", "einsum", "_trilinear"),
    *(
        "convolution",
        "_convolution",
        "mkldnn_rnn_layer",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "lstm_cell",
        "gru_cell",
    ),
    *("convolution_overrideable", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "embedding", "_embedding_bag"),
    *("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_fused_attention_overrideable"),
    *("scaled_dot_product_attention", "_scaled_dot_product_efficient_attention", "_native_multi_head_attention"),
    *("_transformer_encoder_layer_fwd", "deform_conv2d", "_scaled_dot_product_attention_math"),
)


class Watch(TorchDispatchMode):
    """Follows the tensors that are made of parameters alone, and notes which of them enter products."""

    def __init__(self, parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.shapes = {name: tensor.shape for name, tensor in parameters.items()}
        self.made_of = {storage(tensor): frozenset([name]) for name, tensor in parameters.items()}
        self.kept: list[Tensor] = []  # so that no storage is taken again
        self.found: dict[str, set[str]] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        inputs = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, Tensor)]
        name = function.overloadpacket.__name__
        if name in PRODUCTS:
            for operand in inputs:
                origins = self.made_of.get(storage(operand), ())
                for origin in origins:
                    if len(origins) == 1 or self.shapes[origin].numel() == operand.numel():
                        self.found.setdefault(origin, set()).add(name)
        origins = [self.made_of.get(storage(x)) for x in inputs]
        if inputs and all(origin is not None for origin in origins):
            for output in tree_leaves(result):
                if isinstance(output, Tensor) and storage(output) not in self.made_of:
                    self.made_of[storage(output)] = frozenset().union(*origins)
                    self.kept.append(output)
        return result


def storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def multiplied(model: nn.Module, inputs: Iterable[Any]) -> dict[str, set[str]]:
    """By name, the parameters of two or more dimensions that enter products, and in which operators."""
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.dim() > 1}
    with torch.no_grad(), Watch(parameters) as watch:
        model(*inputs)
    return watch.found
